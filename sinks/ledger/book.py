"""The book of one stream: every admitted frame ends in exactly one outcome.

Pure: no clock, no store. `now_s` is monotonic time in seconds; it is not persisted, so after a
restart the frames without news get their full time-out again.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from contract.messages import Outcome, StreamKey
from contract.reasons import Reason
from contract.telling import Told
from sinks.ledger.intervals import Intervals, Range, size

RESOLUTION_S = 0.25
MAX_REASONS = 64


class _Mark(NamedTuple):
    """Something is true of all frames below `through` since `since_s` at the latest."""

    since_s: float
    through: int


class Settled(NamedTuple):
    """Frames of a stream that got an outcome, as counted in the metrics."""

    stream: StreamKey
    outcome: Outcome
    reason: str | None


@dataclass
class Book:
    """What was admitted to one stream and what became of it.

    Attributes:
        admitted: frames admitted, as reported or as seen, whichever is more.
        settled: ids of the frames that have an outcome.
        counts: frames per outcome.
        unscored: the UNSCORED frames per reason.
        told: frames per what the PLC was told of them; those of lines without one are not in it.
        told_otherwise: frames of which the PLC was told what the book does not say.
        ended: no more frames are expected.
    """

    key: StreamKey
    opened_ns: int
    updated_ns: int = 0
    closed_ns: int | None = None
    decoded: int = 0
    admitted: int = 0
    ended: bool = False
    counts: Counter[Outcome] = field(default_factory=Counter)
    unscored: Counter[str] = field(default_factory=Counter)
    told: Counter[Told] = field(default_factory=Counter)
    told_otherwise: int = 0
    settled: Intervals = field(default_factory=Intervals)
    _known: deque[_Mark] = field(default_factory=deque, repr=False, compare=False)
    _passed: deque[_Mark] = field(default_factory=deque, repr=False, compare=False)
    _news_s: float = field(default=-math.inf, repr=False, compare=False)

    @property
    def open_frames(self) -> int:
        """Admitted frames without an outcome so far."""
        return self.admitted - sum(self.counts.values())

    @property
    def balanced(self) -> bool:
        return self.open_frames == 0

    @property
    def closed(self) -> bool:
        """Whether the stream ended and every frame of it has its outcome."""
        return self.ended and self.balanced

    def admit(self, through: int, now_s: float) -> None:
        """Frames 0 to `through` - 1 exist."""
        if through <= self.admitted:
            return
        self.admitted = through
        _note(self._known, through, now_s)

    def settle(self, frame_id: int, outcome: Outcome, reason: str | None, now_s: float) -> bool:
        """Give a frame its outcome; False if it has one already."""
        return bool(self.settle_range(frame_id, frame_id, outcome, reason, now_s))

    def settle_range(
        self, first: int, last: int, outcome: Outcome, reason: str | None, now_s: float
    ) -> list[Range]:
        """Give frames `first` to `last` an outcome; the parts that had none before."""
        self.admit(last + 1, now_s)
        self._news_s = now_s
        if not self._passed or self._passed[-1].through < last:
            _note(self._passed, last, now_s)
        return self._add(first, last, outcome, reason)

    def expire(self, now_s: float, after_s: float) -> list[Range]:
        """Settle lost frames as UNSCORED(lost); their ranges.

        A frame is lost when it has been known for `after_s` and, for as long, a later frame has
        had its outcome or the whole stream has been silent. A scorer that is slow but works
        through its frames in order loses none.
        """
        through = _due(self._known, now_s, after_s)
        if now_s - self._news_s < after_s:
            through = min(through, _due(self._passed, now_s, after_s))
        return self._lose(through)

    def lose_all(self) -> list[Range]:
        """Settle every open frame as UNSCORED(lost), because no news can come; its ranges."""
        return self._lose(self.admitted)

    def close(self, admitted: int, now_s: float) -> None:
        """The stream ended with `admitted` frames; the book closes when all are settled."""
        self.admit(admitted, now_s)
        self.ended = True

    def resume(self, now_s: float) -> None:
        """After loading: count the time-out of the open frames from now."""
        ranges = self.settled.ranges()
        self._known = deque([_Mark(now_s, self.admitted)])
        self._passed = deque([_Mark(now_s, ranges[-1][1])] if ranges else [])
        self._news_s = now_s
        self._forget_settled()

    def copy(self) -> Book:
        """One that is changed by itself."""
        return replace(
            self,
            counts=self.counts.copy(),
            unscored=self.unscored.copy(),
            told=self.told.copy(),
            settled=self.settled.copy(),
            _known=self._known.copy(),
            _passed=self._passed.copy(),
        )

    def _add(self, first: int, last: int, outcome: Outcome, reason: str | None) -> list[Range]:
        new = self.settled.add(first, last)
        self.counts[outcome] += size(new)
        if outcome is Outcome.UNSCORED and new:
            self.unscored[self._kept(reason)] += size(new)
        self._forget_settled()
        return new

    def _kept(self, reason: str | None) -> str:
        """The reason under which it is counted: senders may give any, and the book is one row."""
        if reason is None or (reason not in self.unscored and len(self.unscored) >= MAX_REASONS):
            return Reason.UNKNOWN
        return reason

    def _lose(self, through: int) -> list[Range]:
        gaps = self.settled.gaps(0, through - 1)
        for first, last in gaps:
            self._add(first, last, Outcome.UNSCORED, Reason.LOST)
        return gaps

    def _forget_settled(self) -> None:
        settled_through = self.settled.prefix()
        for marks in (self._known, self._passed):
            while marks and marks[0].through <= settled_through:
                marks.popleft()


def _note(marks: deque[_Mark], through: int, now_s: float) -> None:
    """Add a mark; those of one moment, by `RESOLUTION_S`, become one."""
    since_s = math.ceil(now_s / RESOLUTION_S) * RESOLUTION_S
    if marks and marks[-1].since_s >= since_s:
        since_s = marks.pop().since_s
    marks.append(_Mark(since_s, through))


def _due(marks: deque[_Mark], now_s: float, after_s: float) -> int:
    """Frames below this have been marked for `after_s`."""
    through = 0
    for mark in marks:
        if now_s - mark.since_s < after_s:
            break
        through = mark.through
    return through
