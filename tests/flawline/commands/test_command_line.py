"""What a stranger sees who types the wrong thing: one clear line, a non-zero exit, no traceback."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
import typer

from flawline.__main__ import run
from flawline.app import app
from tests.pictures import save_picture

CONFIG = """
station: test
data_directory: {data}
lines:
  - name: belt
    cameras: [{{name: left, source: clip.mp4}}]
"""


def test_every_command_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    group = typer.main.get_command(app)
    commands = [[name] for name in group.commands]  # type: ignore[attr-defined]
    commands += [["config", name] for name in ("check", "schema", "example", "keys")]
    commands += [["models", name] for name in ("list", "pull", "verify")]
    memory = ("list", "activate", "shadow", "promote", "rollback", "remove")
    commands += [["memory", name] for name in memory]
    for command in commands:
        assert run([*command, "--help"]) == 0
        shown = capsys.readouterr().out
        assert "Usage" in shown
        assert len(shown.split()) > 12


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "-c", "nowhere.yaml"], "cannot read configuration nowhere.yaml"),
        (["score", "nowhere.png"], "nowhere.png does not exist"),
        (["score", "x.png", "--model", "ViT-Z", "--pretrained", "x"], "unknown model 'ViT-Z'"),
        (
            ["score", "x.png", "--model", "ViT-B-16-plus-240"],
            "needs weights (a local file) or pretrained (a tag)",
        ),
        (["models", "verify", "--weights", "w.safetensors"], "carries its own weights"),
        (["models", "verify", "--sha256", "00"], "expected 00"),
        (["ledger", "--store", "sqlite:///nowhere.db"], "no event store"),
        (["demo", "--out", "/proc/flawline"], "choose another --out"),
        (["enroll", "--line", "x"], "exactly one of --images DIR and --from CAMERA"),
    ],
)
def test_errors_are_one_clear_line(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) != 0
    shown = capsys.readouterr()
    assert said in " ".join((shown.err + shown.out).split())
    assert "Traceback" not in shown.err + shown.out


def test_debug_shows_where(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--debug", "run", "-c", "nowhere.yaml"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_a_misspelt_key_is_named_with_its_line_and_the_right_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(CONFIG.format(data=tmp_path).replace("cameras", "camera"))
    assert run(["config", "check", "-c", str(path)]) == 2
    shown = capsys.readouterr().err
    assert f"{path}:6" in shown
    assert "did you mean 'cameras'?" in shown


def test_example_and_schema_are_what_check_accepts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOTTLES_TOP_PASSWORD", "secret of the camera")
    monkeypatch.setenv("MES_WEBHOOK_SECRET", "whsec_" + base64.b64encode(b"0" * 24).decode())
    assert run(["config", "example"]) == 0
    path = tmp_path / "example.yaml"
    path.write_text(capsys.readouterr().out)
    assert run(["config", "check", "-c", str(path)]) == 0
    assert "ok: station hall-1, 1 line(s)" in capsys.readouterr().out
    assert run(["config", "schema"]) == 0
    assert json.loads(capsys.readouterr().out)["additionalProperties"] is False


def test_the_demo_leaves_foreign_folders_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    precious = tmp_path / "heatmaps" / "precious.jpg"
    precious.parent.mkdir()
    precious.write_bytes(b"mine")
    assert run(["demo", "--out", str(tmp_path)]) != 0
    assert "which no demo made" in capsys.readouterr().err
    assert precious.read_bytes() == b"mine"


def test_enrolling_from_bad_folders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(CONFIG.format(data=tmp_path / "data"))
    empty = tmp_path / "empty"
    empty.mkdir()
    for arguments, said in [
        (["--line", "belt", "--images", str(empty)], f"no image in {empty}"),
        (["--line", "belt", "--images", str(path)], "is not a folder"),
        (["--line", "bolt", "--images", str(empty)], "no line 'bolt': the lines are belt"),
    ]:
        assert run(["enroll", *arguments, "--config", str(path)]) != 0
        assert said in capsys.readouterr().err
    assert not (tmp_path / "data").exists()


def test_enrolled_references_of_another_size_and_kind_teach_the_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(CONFIG.format(data=tmp_path / "data"))
    folder = tmp_path / "good"
    save_picture(folder / "grey.png", mode="L", size=(300, 200))
    save_picture(folder / "alpha.png", mode="RGBA", size=(64, 512))
    assert run(["enroll", "--line", "belt", "--images", str(folder), "--config", str(path)]) == 0
    assert "from 2 picture(s) is active" in capsys.readouterr().out
    assert (tmp_path / "data" / "memories" / "belt" / "active").is_file()
