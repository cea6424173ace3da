"""Counts and scores over time in a bounded number of bins, whatever the period. Pure.

Bins start narrow. When a frame does not fit, neighbours are joined until it does, so one pass over
the events is enough and nobody needs to know their span before. Joining keeps the lowest and the
highest score of every outcome: a single outlier in a month is still drawn.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from contract.clock import NS_PER_S
from contract.messages import SCORED, Outcome

if TYPE_CHECKING:
    from sinks.store.event import Event

MAX_BINS: Final = 480
NARROWEST_NS: Final = NS_PER_S // 4

Range = tuple[float, float]


@dataclass
class Bin:
    """What happened in a stretch of time.

    Attributes:
        frames: per outcome.
        scores: lowest and highest anomaly score per outcome.
        highest: per outcome, the event with the highest score that brought a picture.
    """

    frames: Counter[Outcome] = field(default_factory=Counter)
    scores: dict[Outcome, Range] = field(default_factory=dict)
    highest: dict[Outcome, Event] = field(default_factory=dict)

    @property
    def defect_rate(self) -> float | None:
        """FAIL and REVIEW among the scored frames; None without any."""
        return defect_rate(self.frames)

    def add(self, event: Event) -> None:
        outcome, score = event.outcome, event.anomaly_score
        self.frames[outcome] += 1
        if score is None:
            return
        self._widen(outcome, (score, score))
        if event.evidence is not None:
            self._offer(outcome, event)

    def join(self, other: Bin) -> None:
        """Take in a neighbour."""
        self.frames.update(other.frames)
        for outcome, scores in other.scores.items():
            self._widen(outcome, scores)
        for outcome, event in other.highest.items():
            self._offer(outcome, event)

    def _widen(self, outcome: Outcome, scores: Range) -> None:
        low, high = self.scores.get(outcome, scores)
        self.scores[outcome] = (min(low, scores[0]), max(high, scores[1]))

    def _offer(self, outcome: Outcome, event: Event) -> None:
        best = self.highest.get(outcome)
        if best is None or (event.anomaly_score or 0.0) > (best.anomaly_score or 0.0):
            self.highest[outcome] = event


class Timeline:
    """At most `max_bins` bins; those without frames are left out.

    Attributes:
        width_ns: of every bin.
        bins: by their number; bin n starts at n * `width_ns` since the Unix epoch.
    """

    def __init__(self, *, max_bins: int = MAX_BINS, width_ns: int = NARROWEST_NS) -> None:
        self._max_bins = max_bins
        self.width_ns = width_ns
        self.bins: dict[int, Bin] = {}
        self._first = self._last = 0

    def add(self, event: Event) -> None:
        """Count an event at its capture."""
        self._at(event.times.captured_ns).add(event)

    def add_frames(self, at_ns: int, outcome: Outcome, num_frames: int) -> None:
        """Count frames that have no event."""
        self._at(at_ns).frames[outcome] += num_frames

    def joined(self, max_bins: int) -> Timeline:
        """The same in at most `max_bins` wider bins."""
        wider = Timeline(max_bins=max_bins, width_ns=self.width_ns)
        wider.bins = dict(self.bins)
        wider._first, wider._last = self._first, self._last
        while wider._last - wider._first >= max_bins:
            wider._widen()
        return wider

    def _at(self, at_ns: int) -> Bin:
        number = at_ns // self.width_ns
        if number not in self.bins:
            self._make_room(number)
            number = at_ns // self.width_ns
        return self.bins.setdefault(number, Bin())

    def _make_room(self, number: int) -> None:
        if not self.bins:
            self._first = self._last = number
        self._first, self._last = min(self._first, number), max(self._last, number)
        while self._last - self._first >= self._max_bins:
            self._widen()

    def _widen(self) -> None:
        """Join neighbours into bins of twice the width."""
        joined: dict[int, Bin] = {}
        for place, each in self.bins.items():
            joined.setdefault(place // 2, Bin()).join(each)
        self.bins = joined
        self.width_ns *= 2
        self._first, self._last = self._first // 2, self._last // 2


def defect_rate(frames: Counter[Outcome]) -> float | None:
    """FAIL and REVIEW among the scored frames; None if there are none.

    What was not scored is neither good nor bad: it is counted by itself.
    """
    scored = sum(frames[outcome] for outcome in SCORED)
    return (frames[Outcome.FAIL] + frames[Outcome.REVIEW]) / scored if scored else None
