"""The live status of a station as a table. Pure: figures and states go in."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from contract.beat import GUARDED
from contract.config import Config, Line
from contract.config_sinks import Modbus
from contract.messages import SCORED, Outcome
from flawline.station.member import State
from flawline.station.survey import LineFigures, StationFigures

if TYPE_CHECKING:
    from sinks.store.event import Event

RATE_OVER = 5
"""Readings of the store that the frames a second are taken over."""

_WELL = frozenset({"running", "streaming", "online", "ended"})
_UNKNOWN = State("-", {})


class Rates:
    """Admitted frames a second of each line, over the newest figures."""

    def __init__(self) -> None:
        self._seen: deque[StationFigures] = deque(maxlen=RATE_OVER)

    def note(self, figures: StationFigures) -> None:
        """Take in figures; the same ones again count once."""
        if not self._seen or self._seen[-1] is not figures:
            self._seen.append(figures)

    def per_s(self, line: str) -> float | None:
        """Frames a second of `line`; None: not known yet."""
        if len(self._seen) < 2:
            return None
        first, last = self._seen[0], self._seen[-1]
        before = first.lines.get(line, LineFigures()).admitted
        frames = last.lines.get(line, LineFigures()).admitted - before
        return frames / (last.read_s - first.read_s)


def board(
    config: Config,
    figures: StationFigures | None,
    rates: Rates,
    states: Mapping[str, State],
    *,
    trouble: str = "",
) -> Table:
    """A row per line: what comes, what was decided, the newest score, cameras and PLCs.

    With `trouble` the figures are old, and that is why.
    """
    processes = ", ".join(
        f"{name} {states.get(name, _UNKNOWN).process}"
        for name in ("scorer", "sinks", "guard")
        if name != "guard" or name in states
    )
    table = Table(
        title=f"station {config.station}: {processes}",
        title_justify="left",
        caption=Text(f"no new figures: {trouble}", style="red") if trouble else None,
        caption_justify="left",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    for heading in ("line", "fps", *SCORED_ORDER, "not seen", "score/FAIL"):
        table.add_column(heading, justify="left" if heading == "line" else "right", no_wrap=True)
    for heading, least in (("cameras", 14), ("PLC", 10)):
        table.add_column(heading, min_width=least, overflow="fold")
    for line in config.lines:
        known = LineFigures()
        if figures is not None:
            known = figures.lines.get(line.name, known)
        told = _counts(known, None if trouble else rates.per_s(line.name))
        if figures is None:
            told = ("-",) * len(told)
        table.add_row(line.name, *told, *_equipment(config, line, states))
    return table


SCORED_ORDER = tuple(outcome for outcome in Outcome if outcome in SCORED)


def _counts(known: LineFigures, per_s: float | None) -> tuple[str, ...]:
    counts: Counter[Outcome] = Counter()
    for (outcome, _), frames in known.totals.items():
        counts[outcome] += frames
    uninspected = counts.total() - sum(counts[outcome] for outcome in SCORED)
    return (
        "-" if per_s is None else f"{per_s:.1f}",
        *(str(counts[outcome]) for outcome in SCORED_ORDER),
        f"[bold red]{uninspected}[/]" if uninspected else "0",
        _score(known.newest),
    )


def _equipment(config: Config, line: Line, states: Mapping[str, State]) -> tuple[str, str]:
    plcs = states.get("sinks", _UNKNOWN).things
    guarded = states.get("guard", _UNKNOWN).things
    told = [plc for plc in config.sinks.modbus if plc.line == line.name]
    return (
        ", ".join(
            _coloured(camera.name, _camera_state(states.get(f"ingest {camera.name}", _UNKNOWN)))
            for camera in line.cameras
        ),
        ", ".join(_plc_state(plc, plcs, guarded) for plc in told) or "none",
    )


def _plc_state(plc: Modbus, sinks: Mapping[str, str], guards: Mapping[str, str]) -> str:
    """How the sinks find a PLC, and whether its guard sees it."""
    told = _coloured(plc.name, sinks.get(plc.name, "-"))
    guard = guards.get(plc.name, "-") if plc.guard else GUARDED
    return told if guard in ("-", GUARDED) else f"{told} [yellow](not guarded)[/]"


def _score(newest: Event | None) -> str:
    if newest is None or newest.anomaly_score is None:
        return "-"
    limit = "-" if newest.fail_threshold is None else f"{newest.fail_threshold:.3f}"
    return f"{newest.anomaly_score:.3f}/{limit}"


def _camera_state(state: State) -> str:
    """The camera's own, while its process lives."""
    return next(iter(state.things.values()), state.process)


def _coloured(name: str, state: str) -> str:
    return f"{name} [{'green' if state in _WELL else 'bold red'}]{state}[/]"
