"""What is not installed is said before the work."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from contract.errors import ConfigError
from flawline.app import app
from flawline.options import require, with_json_target
from tests.pictures import save_picture


def test_what_is_missing_is_named_with_what_brings_it() -> None:
    require("json", extra="report")
    with pytest.raises(ConfigError, match=r"no_such is not installed.*'flawline\[report\]'"):
        require("no_such", extra="report")


def test_a_report_that_cannot_be_made_is_refused_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flawline.options.find_spec", lambda module: None)
    (tmp_path / "train" / "good").mkdir(parents=True)
    arguments = ["evaluate", str(tmp_path), "--report", str(tmp_path / "report.html")]
    for path in ("train/good/0.png", "test/good/0.png"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(b"x")
    with pytest.raises(ConfigError, match="jinja2 is not installed"):
        CliRunner().invoke(app, arguments, catch_exceptions=False)


@pytest.mark.parametrize(
    ("given", "filled"),
    [
        (["a.png", "--json"], ["a.png", "--json", "-"]),
        (["--json", "a.png"], ["--json", "-", "a.png"]),
        (["--json", "--shots", "1"], ["--json", "-", "--shots", "1"]),
        (["--json", "a.json", "b"], ["--json", "a.json", "b"]),
        (["--json", "A.JSON"], ["--json", "A.JSON"]),
        (["--json", "-"], ["--json", "-"]),
        (["--json=a.json"], ["--json=a.json"]),
        (["--", "--json"], ["--", "--json"]),
        ([], []),
    ],
)
def test_json_with_and_without_a_file(given: list[str], filled: list[str]) -> None:
    assert with_json_target(given) == filled


def test_json_never_writes_over_a_picture(tmp_path: Path) -> None:
    picture = save_picture(tmp_path / "a.png")
    before = picture.read_bytes()
    said = CliRunner().invoke(app, ["score", "--json", str(picture)])
    assert json.loads(said.stdout)["images"][0]["image"] == str(picture)
    refused = CliRunner().invoke(app, ["score", str(picture), f"--json={picture}"])
    assert isinstance(refused.exception, ConfigError)
    assert "a file that ends in .json" in str(refused.exception)
    assert picture.read_bytes() == before


def test_json_into_a_file_beside_what_people_read(tmp_path: Path) -> None:
    target = tmp_path / "models.json"
    said = CliRunner().invoke(app, ["models", "list", "--json", str(target)])
    printed = CliRunner().invoke(app, ["models", "list", "--json"])
    assert "in the package" in said.output
    document = json.loads(target.read_text("utf-8"))
    assert document == json.loads(printed.stdout)
    assert [model["name"] for model in document["models"]] == [
        "flawline-mini",
        "ViT-B-16-plus-240",
    ]
    nowhere = tmp_path / "nowhere" / "a.json"
    refused = CliRunner().invoke(app, ["models", "list", "--json", str(nowhere)])
    assert "there is no folder" in str(refused.exception)


def test_every_command_that_tells_something_has_json() -> None:
    telling = {
        "score": True,
        "explain": True,
        "evaluate": True,
        "enroll": True,
        "calibrate": True,
        "ledger": True,
        "bench": True,
        "memory list": True,
        "models list": True,
        "models verify": True,
        "config check": True,
    }
    found = {
        name: "--json" in {option for each in command.params for option in each.opts}
        for name, command in _commands(typer.main.get_command(app))
    }
    assert {name: found[name] for name in telling} == telling


def test_the_configuration_is_named_alike_everywhere() -> None:
    named = {
        name: (tuple(each.opts), str(each.default))
        for name, command in _commands(typer.main.get_command(app))
        for each in command.params
        if each.name == "config"
    }
    assert {"run", "enroll", "calibrate", "ledger", "config check", "memory list"} <= set(named)
    assert set(named.values()) == {(("--config", "-c"), "flawline.yaml")}


def _commands(group: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}", command
