"""Sets of frame ids as merged intervals: one pair of numbers while a stream runs without gaps."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable

Range = tuple[int, int]
"""First and last frame id, both included."""


class Intervals:
    """A set of integers that costs memory per gap, not per member.

    >>> ids = Intervals([(0, 4)])
    >>> ids.add(3, 7)
    [(5, 7)]
    >>> ids.ranges()
    [(0, 7)]
    """

    def __init__(self, ranges: Iterable[Range] = ()) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        for first, last in ranges:
            self.add(first, last)

    def add(self, first: int, last: int) -> list[Range]:
        """Put `first` to `last` in; the parts that were not in before."""
        new = self.gaps(first, last)
        start = bisect_left(self._lasts, first - 1)
        stop = bisect_right(self._firsts, last + 1)
        if start < stop:
            first = min(first, self._firsts[start])
            last = max(last, self._lasts[stop - 1])
        self._firsts[start:stop] = [first]
        self._lasts[start:stop] = [last]
        return new

    def gaps(self, first: int, last: int) -> list[Range]:
        """The parts of `first` to `last` that are not in."""
        found: list[Range] = []
        index = bisect_left(self._lasts, first)
        while first <= last:
            if index == len(self._firsts) or self._firsts[index] > last:
                found.append((first, last))
                break
            if self._firsts[index] > first:
                found.append((first, self._firsts[index] - 1))
            first = self._lasts[index] + 1
            index += 1
        return found

    def prefix(self) -> int:
        """How many ids from 0 on are in without a gap."""
        return self._lasts[0] + 1 if self._firsts and self._firsts[0] == 0 else 0

    def ranges(self) -> list[Range]:
        """All members, in order, as ranges that do not touch."""
        return list(zip(self._firsts, self._lasts, strict=True))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Intervals) and self.ranges() == other.ranges()

    def copy(self) -> Intervals:
        twin = Intervals()
        twin._firsts = self._firsts.copy()
        twin._lasts = self._lasts.copy()
        return twin


def size(ranges: Iterable[Range]) -> int:
    """How many ids `ranges` hold."""
    return sum(last - first + 1 for first, last in ranges)
