"""`flawline memory` against a real scorer: what judges, a shadow, and going back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from contract.config_file import load_config
from contract.errors import ConfigError, FlawlineError, MemoryMismatch, StorageError
from contract.process import user
from contract.sockets import Sockets
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


def test_what_was_changed_is_told_with_who(config: Path) -> None:
    with RunningScorer(config) as scorer:
        scorer.ask("shadow", line="bottles", memory_version=LATER, requested_by="engineer")
        memory(config, "promote")
    memory(config, "rollback")
    told = memory(config, "list", "--history", "--json").output
    document = json.loads(told)
    assert (document["active"], document["shadow"]) == (VERSION, None)
    assert [each["role"] for each in document["versions"]] == ["active", None]
    assert [(each["action"], each["version"]) for each in document["history"]] == [
        ("activate", VERSION),
        ("shadow", LATER),
        ("promote", LATER),
        ("rollback", VERSION),
    ]
    assert [each["changed_by"] for each in document["history"]] == [
        "inspector",
        "engineer",
        user(),
        user(),
    ]
    shown = memory(config, "list", "--history").output
    for words in ("made the shadow", "promoted from shadow", "gone back to"):
        assert words in shown


def test_without_a_scorer_nothing_is_known_of_a_shadow(config: Path) -> None:
    memory(config, "shadow", LATER)
    assert "no scorer answers" in memory(config, "list").output


def test_a_stopped_line_is_pointed_on_disk_and_the_next_scorer_follows(config: Path) -> None:
    for arguments, said in (
        (["shadow", LATER], f"{LATER} is the shadow"),
        (["shadow"], "no shadow any more"),
        (["shadow", LATER], f"{LATER} is the shadow"),
        (["promote"], f"{LATER} is active"),
        (["rollback"], f"{VERSION} is active"),
        (["activate", LATER], f"{LATER} is active"),
    ):
        output = memory(config, *arguments).output
        assert said in output
        assert "no scorer runs, the next one will use it" in output
    with RunningScorer(config) as scorer:
        assert scorer.ask("status").memories["bottles"] == LATER


def _changed(config: Path, section: str, **values: Any) -> Path:
    """The same station with other settings of its first line, or of its model."""
    document = yaml.safe_load(config.read_text())
    part = document["lines"][0] if section == "line" else document["scorer"]["model"]
    part |= values
    path = config.with_name("changed.yaml")
    path.write_text(yaml.safe_dump(document))
    return path


def test_a_stopped_line_refuses_what_the_scorer_would(config: Path) -> None:
    for section, values, said in (
        ("line", {"inspection_px": 480}, "made at 240 px"),
        ("model", {"preset": "anomalib"}, "made with preset paper, this scorer has anomalib"),
        ("model", {"language_weight": 0.5}, "language_weight 0, now it is 0.5"),
    ):
        with pytest.raises(MemoryMismatch, match=said):
            memory(_changed(config, section, **values), "activate", LATER)
    with pytest.raises(StorageError, match="no reference memory v9: it has"):
        memory(config, "activate", "v9")
    settings = load_config(config)
    home = settings.memory_directory / "bottles"
    (home / LATER / "memory.safetensors").write_bytes(b"rubbish")
    with pytest.raises(StorageError, match="missing or damaged"):
        memory(config, "activate", LATER)
    assert Shelf(settings.memory_directory).active("bottles") == VERSION


def test_a_scorer_that_does_not_answer_is_not_bypassed(config: Path) -> None:
    settings = load_config(config)
    with Sockets(settings) as sockets:
        sockets.bind("control")
        with pytest.raises(FlawlineError, match="runs, but does not answer within"):
            memory(config, "activate", LATER)
    assert Shelf(settings.memory_directory).active("bottles") == VERSION


def test_a_version_in_use_is_not_removed(config: Path) -> None:
    with pytest.raises(ConfigError, match="activate another one first"):
        memory(config, "remove", VERSION)
    assert f"{LATER} is removed" in memory(config, "remove", LATER).output
    assert LATER not in memory(config, "list").output
    assert LATER in memory(config, "list", "--history").output


def test_an_unknown_line_is_refused(config: Path) -> None:
    with pytest.raises(ConfigError, match="the lines are bottles, cans"):
        CliRunner().invoke(
            app,
            ["memory", "list", "--line", "spoons", "--config", str(config)],
            catch_exceptions=False,
        )
