"""Percentiles of a stream of durations in bounded memory. Pure."""

from __future__ import annotations

import math
from collections import Counter
from typing import Final

STEP: Final = 1.01
SHORTEST_NS: Final = 10_000


class Spread:
    """A histogram whose bins are 1 % wide, as wide as a percentile may be off."""

    def __init__(self) -> None:
        self._bins: Counter[int] = Counter()

    def add(self, span_ns: int) -> None:
        """Count a duration; what is below 10 microseconds counts as such."""
        self._bins[round(math.log(max(span_ns, SHORTEST_NS), STEP))] += 1

    def percentile_ms(self, share: float) -> float | None:
        """The duration that `share` of all do not exceed, in ms; None without any."""
        left = share * self._bins.total()
        found = None
        for place in sorted(self._bins):
            found = place
            left -= self._bins[place]
            if left <= 0:
                break
        return None if found is None else STEP**found / 1e6
