"""Which cameras there should be, while the configuration changes under running sinks."""

from __future__ import annotations

from pathlib import Path

import yaml

from contract.config_file import load_config
from sinks.metrics.roster import Cameras, Roster


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
    left, right = ("hall", "belt", "left"), ("hall", "belt", "right")
    both = Cameras({left, right})
    assert roster.cameras() == both
    path.write_text("lines: [half an edit")
    assert roster.cameras() == both
    path.unlink()
    assert roster.cameras() == both
    write(path, "right")
    assert roster.cameras() == Cameras({right}, removed={left})
    write(path, "right", "left")
    assert roster.cameras() == both


def test_what_was_reloaded_while_the_sinks_started_counts(tmp_path: Path) -> None:
    path = tmp_path / "flawline.yaml"
    write(path, "left")
    config = load_config(path)
    write(path, "right")
    configured, removed = Roster(config, path).cameras()
    assert configured == {("hall", "belt", "right")}
    assert removed == {("hall", "belt", "left")}
