"""Names from outside are printed as they are, through the real command."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from rich.table import Table

from flawline.__main__ import run
from flawline.screen import Screen, printable
from tests.pictures import save_picture

NAMES = ("p[front].png", "red].png", "[bold]p.png", "a:bug:.png")


def test_brackets_in_names_are_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "[" / "shots"
    pictures = [save_picture(folder / name) for name in NAMES]
    (folder / "[x].png").write_bytes(b"")
    assert run(["score", str(folder)]) == 1
    shown = capsys.readouterr()
    for path in pictures:
        assert path.name in shown.out
    assert f"error: {folder}/[x].png is empty (0 bytes)" in shown.err
    assert run(["score", str(tmp_path / "[" / "red].png")]) == 1
    assert "[/red].png does not exist" in capsys.readouterr().err


def test_brackets_in_options_and_errors(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (
        ["ledger", "-c", "[/red].yaml"],
        ["ledger", "--store", "sqlite:///[/red].db"],
        ["run", "-c", "[/red].yaml"],
        ["score", "x.png", "--model", "[/red]", "--pretrained", "x"],
        ["models", "verify", "--weights", "[/red]"],
    ):
        assert run(arguments) != 0
        shown = capsys.readouterr().err
        assert "internal error" not in shown
        assert "[/red]" in shown or "carries its own weights" in shown


def test_what_would_move_the_cursor_or_cannot_be_encoded_is_marked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert printable("a\x1b[2J\r\x07b\ud800\tc\n") == "a\ufffd[2J\ufffd\ufffdb\ufffd\tc\n"
    name = os.fsdecode(b"\xff\x1b[2J.png")
    assert run(["score", str(tmp_path / name)]) == 1
    shown = capsys.readouterr().err
    assert "\ufffd\ufffd[2J.png does not exist" in shown
    assert "\x1b" not in shown


def test_a_table_holds_names_too(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.StringIO()
    screen = Screen()
    screen.file = file
    table = Table("[/red]", title="[bold]")
    table.add_row("p[front].png :bug:")
    screen.print(table)
    with screen.working("[/red]"):
        pass
    for text in ("[/red]", "[bold]", "p[front].png :bug:"):
        assert text in file.getvalue()
