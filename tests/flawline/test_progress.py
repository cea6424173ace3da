"""What a person sees of work that takes a while."""

from __future__ import annotations

import pytest

from flawline import progress
from flawline.progress import bar
from flawline.screen import Screen


def test_a_bar_shows_names_as_they_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "160")
    with bar("p[front]", 4, Screen()) as show:
        show(2, "1 [FAIL]")
    shown = capsys.readouterr().out
    assert "p[front]" in shown
    assert "2/4" in shown
    assert "1 [FAIL]" in shown


def test_a_log_gets_a_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "TOLD_EVERY_S", 0.0)
    with bar("inspecting", None, Screen()) as show:
        show(7, "6 PASS  1 FAIL")
    assert capsys.readouterr().out == "inspecting: 7  6 PASS  1 FAIL\n"


def test_short_work_leaves_no_line_in_a_log(capsys: pytest.CaptureFixture[str]) -> None:
    with bar("inspecting", 4, Screen()) as show:
        show(4, "")
    assert capsys.readouterr().out == ""
