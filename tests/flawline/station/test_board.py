"""The live status as text."""

from __future__ import annotations

import io
from collections.abc import Mapping

from rich.console import Console

from contract.config import Config
from contract.messages import Outcome
from flawline.station.board import Rates, board
from flawline.station.complaints import Totals
from flawline.station.member import State
from flawline.station.survey import LineFigures, StationFigures

CONFIG = Config.model_validate(
    {
        "station": "hall-1",
        "lines": [
            {"name": "bottles", "cameras": [{"name": "top", "source": "/dev/video0"}]},
            {"name": "cans", "cameras": [{"name": "side", "source": "/dev/video1"}]},
        ],
        "sinks": {"modbus": [{"name": "gate", "line": "bottles", "host": "10.0.0.9"}]},
    }
)


def shown(
    figures: StationFigures | None,
    states: Mapping[str, State],
    rates: Rates | None = None,
    *,
    width: int = 100,
    trouble: str = "",
) -> list[list[str]]:
    out = io.StringIO()
    Console(width=width, file=out).print(
        board(CONFIG, figures, rates or Rates(), states, trouble=trouble)
    )
    return [line.split() for line in out.getvalue().splitlines()]


def test_a_row_per_line() -> None:
    rates = Rates()
    for second in range(3):
        frames = Totals({(Outcome.PASS, ""): 9 * second, (Outcome.LATE, "deadline_missed"): second})
        figures = StationFigures(float(second), {"bottles": LineFigures(10 * second, frames)})
        rates.note(figures)
        rates.note(figures)
    states = {
        "scorer": State("running", {}),
        "sinks": State("running", {"gate": "online"}),
        "ingest top": State("running", {"top": "streaming"}),
        "ingest side": State("starts again", {}),
    }
    title, _, *rows = shown(figures, states, rates)
    assert " ".join(title) == "station hall-1: scorer running, sinks running"
    assert [
        "bottles",
        "10.0",
        "18",
        "0",
        "0",
        "2",
        "-",
        "top",
        "streaming",
        "gate",
        "online",
    ] in rows
    assert ["cans", "0.0", "0", "0", "0", "0", "-", "side", "starts", "again", "none"] in rows


def test_a_narrow_terminal_folds_and_hides_nothing() -> None:
    states = {"ingest top": State("running", {"top": "streaming"})}
    words = {word for row in shown(None, states, width=80) for word in row}
    assert {"bottles", "streaming", "gate"} <= words


def test_before_anything_is_known() -> None:
    rows = shown(None, {})
    assert ["bottles", "-", "-", "-", "-", "-", "-", "top", "-", "gate", "-"] in rows


def test_old_figures_say_that_they_are_old_and_why() -> None:
    *_, caption = shown(None, {}, trouble="disk [I/O] error")
    assert " ".join(caption) == "no new figures: disk [I/O] error"
