"""Which cameras there should be, while the configuration changes under running sinks."""

from __future__ import annotations

from pathlib import Path

import yaml

from contract.config_file import load_config
from sinks.metrics.roster import Roster


def write(path: Path, *cameras: str) -> None:
    """A configuration with these cameras, put in the place of the one before."""
    line = {"name": "belt", "cameras": [{"name": name, "source": "x.mp4"} for name in cameras]}
    part = path.with_suffix(".part")
    part.write_text(yaml.safe_dump({"station": "hall", "lines": [line]}))
    part.replace(path)


def test_it_follows_the_file_and_no_broken_one(tmp_path: Path) -> None:
    path = tmp_path / "flawline.yaml"
    write(path, "left", "right")
    roster = Roster(load_config(path), path)
    both = {("hall", "belt", "left"), ("hall", "belt", "right")}
    assert roster.cameras() == both
    path.write_text("lines: [half an edit")
    assert roster.cameras() == both
    path.unlink()
    assert roster.cameras() == both
    write(path, "right")
    assert roster.cameras() == {("hall", "belt", "right")}
