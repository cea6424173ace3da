"""`flawline memory` against a real scorer: what judges, a shadow, and going back."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from contract.config_file import load_config
from contract.errors import ConfigError, FlawlineError
from flawline.app import app
from scorer import ReferenceMemory, WinClip
from scorer.references.manifest import Manifest
from scorer.references.shelf import Shelf
from tests.scorer.pictures import part
from tests.scorer.running import RunningScorer, write_config
from tests.scorer.shelves import LATER, VERSION, WHO, manifest


@pytest.fixture
def config(short_directory: Path) -> Path:
    """Line `bottles` with two versions, the first of them active."""
    path = write_config(short_directory)
    model = WinClip.load()
    shelf, memory = Shelf(load_config(path).memory_directory), model.enroll([part(1)])
    for version in (VERSION, LATER):
        shelf.save(memory, _described(memory, version))
    shelf.activate("bottles", VERSION, **WHO)
    return path


def _described(memory: ReferenceMemory, version: str) -> Manifest:
    return manifest(memory, version=version, language_weight=0.0)


def memory(config: Path, *arguments: str) -> Result:
    command = ["memory", *arguments, "--line", "bottles", "--config", str(config)]
    return CliRunner().invoke(app, command, catch_exceptions=False)


def test_a_shadow_is_promoted_and_taken_back(config: Path) -> None:
    with RunningScorer(config):
        assert f"{LATER} is the shadow" in memory(config, "shadow", LATER).output
        listed = memory(config, "list").output
        assert [line.split("│")[2].strip() for line in listed.splitlines() if "│ 2026" in line] == [
            "active",
            "shadow",
        ]
        assert f"{LATER} is active" in memory(config, "promote").output
        assert f"{VERSION} is active" in memory(config, "rollback").output
        assert f"{LATER} is active" in memory(config, "rollback").output
        with pytest.raises(FlawlineError, match="no reference memory v9: it has"):
            memory(config, "activate", "v9")


def test_without_a_scorer_nothing_is_changed(config: Path) -> None:
    listed = memory(config, "list").output
    assert VERSION in listed
    assert "no scorer runs" in listed
    with pytest.raises(FlawlineError, match="no scorer answers"):
        memory(config, "rollback")
    with pytest.raises(ConfigError, match="the lines are bottles, cans"):
        CliRunner().invoke(
            app,
            ["memory", "list", "--line", "spoons", "--config", str(config)],
            catch_exceptions=False,
        )
