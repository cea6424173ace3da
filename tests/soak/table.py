"""Shots as a table in Markdown, and as CSV."""

from __future__ import annotations

import csv
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import fields
from itertools import groupby
from pathlib import Path

from tests.soak.matrix import Shot

HEADINGS = (
    "fault",
    "of",
    "at the moment",
    "shots",
    "PASS past its deadline, s",
    "until neither PASS nor ONLINE, s",
    "without results, s",
    "told as PASS",
    "booked otherwise",
    "`flawline ledger` exits 0",
    "up again",
)


def markdown(shots: Sequence[Shot]) -> str:
    """A row for each cell: the median and, after a slash, the worst."""
    rows = [HEADINGS, ["---"] * len(HEADINGS), *map(_row, _cells(shots))]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def told(shots: Sequence[Shot]) -> list[str]:
    """A sentence for each shot that did not hold."""
    return [
        f"{shot.fault} of {shot.victim} at the moment {shot.moment}, after {shot.delay_s:.2f} s: "
        + "; ".join(filter(None, [shot.trouble, *shot.told_otherwise, _exit(shot)]))
        for shot in shots
        if not shot.holds
    ]


def write_csv(path: Path, shots: Iterable[Shot]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Shot)])
        writer.writeheader()
        writer.writerows(shot.row() for shot in shots)


def _cells(shots: Sequence[Shot]) -> list[list[Shot]]:
    """The shots of each cell, in the order in which cells were first hit."""
    order: dict[tuple[str, str, str], int] = {}
    for shot in shots:
        order.setdefault(_cell(shot), len(order))
    ordered = sorted(shots, key=lambda shot: order[_cell(shot)])
    return [list(group) for _, group in groupby(ordered, key=_cell)]


def _cell(shot: Shot) -> tuple[str, str, str]:
    return shot.fault, shot.victim, shot.moment


def _row(shots: Sequence[Shot]) -> list[str]:
    safe = [shot.safe_after_s for shot in shots if shot.safe_after_s is not None]
    up = [shot for shot in shots if not shot.trouble]
    return [
        *_cell(shots[0]),
        str(len(shots)),
        _spread([shot.overdue_s for shot in shots]),
        _spread(safe) + (f" ({len(safe)} of {len(shots)})" if 0 < len(safe) < len(shots) else ""),
        _spread([shot.gap_s for shot in up]),
        str(sum(shot.passes for shot in shots)),
        str(sum(len(shot.told_otherwise) for shot in shots)),
        f"{sum(shot.ledger_exit == 0 for shot in shots)} of {len(shots)}",
        f"{len(up)} of {len(shots)}",
    ]


def _spread(seconds: Sequence[float]) -> str:
    return f"{statistics.median(seconds):.2f} / {max(seconds):.2f}" if seconds else "-"


def _exit(shot: Shot) -> str:
    return f"flawline ledger exits {shot.ledger_exit}" if shot.ledger_exit else ""
