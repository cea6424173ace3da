"""What is not being inspected, told once and then at intervals. Pure: totals and a clock go in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from contract.clock import Clock
from contract.messages import SCORED, Outcome
from contract.reasons import remedy

FIRST_S = 5.0
AGAIN_S = 60.0

Totals = Counter[tuple[Outcome, str]]
"""Frames of one line per outcome and reason; an empty reason where there is none."""


class Complaints:
    """Compares the totals of each line with those of a while ago.

    Windows are short while all is well, so that trouble is told soon, and long after it was told.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._windows: dict[str, _Window] = {}

    def update(self, totals: Mapping[str, Totals]) -> list[str]:
        """Sentences that are due now, for the newest totals of all lines."""
        now_s = self._clock.monotonic_s()
        told = []
        for line, counts in totals.items():
            window = self._windows.get(line)
            if window is None:
                self._windows[line] = _Window(now_s, Totals(), FIRST_S)
                continue
            since_s = now_s - window.start_s
            if since_s < window.length_s:
                continue
            sentences = complain(line, counts - window.before, f"in the last {since_s:.0f} s")
            told += sentences
            self._windows[line] = _Window(now_s, counts, AGAIN_S if sentences else FIRST_S)
        return told


class _Window:
    def __init__(self, start_s: float, before: Totals, length_s: float) -> None:
        self.start_s = start_s
        self.before = before
        self.length_s = length_s


def complain(line: str, frames: Totals, when: str) -> list[str]:
    """A sentence per reason why frames of `line` were not inspected, and what to do."""
    return [
        f"line {line}: {count} of {frames.total()} frames {outcome}"
        f"{f' ({reason})' if reason else ''} {when}: {remedy(reason, line=line)}"
        for (outcome, reason), count in sorted(frames.items())
        if outcome not in SCORED and count
    ]
