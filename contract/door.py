"""Who may be connected at once. Pure, with an injected clock.

A port that others can reach has a bounded number of connections, or whoever opens many of them
takes all descriptors of the process: then no PLC is reconnected and no picture is written.
"""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from contract.clock import Clock

Visitor = TypeVar("Visitor")

BACKLOG: Final = 1024
"""Connections that may wait to be let in: a crowd of them must not have an honest one wait long."""


@dataclass(frozen=True)
class _Visit:
    address: str
    since_s: float


class Door(Generic[Visitor]):
    """At most `room` visitors. Thread-safe.

    When it is full, the address that has most of them gives one up: its oldest that has not
    settled yet, else its newest. So one host that opens many connections takes the place of its own
    alone, and whoever has shown for long that it belongs here stays.

    Args:
        room: visitors at once.
        settled_after_s: who is inside for this long has settled.
    """

    def __init__(self, clock: Clock, *, room: int, settled_after_s: float) -> None:
        self._clock = clock
        self._room = room
        self._settled_after_s = settled_after_s
        self._inside: dict[Visitor, _Visit] = {}
        self._crowds: Counter[str] = Counter()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._inside)

    def enter(self, visitor: Visitor, address: str) -> Visitor | None:
        """Let `visitor` in; who has to go for it, maybe itself."""
        with self._lock:
            now_s = self._clock.monotonic_s()
            self._forget(visitor)
            self._inside[visitor] = _Visit(address, now_s)
            self._crowds[address] += 1
            if len(self._inside) <= self._room:
                return None
            gone = self._one_of_the_crowd(now_s)
            self._forget(gone)
            return gone

    def leave(self, visitor: Visitor) -> None:
        """`visitor` went by itself; one that is not inside changes nothing."""
        with self._lock:
            self._forget(visitor)

    def take_overdue(self) -> list[Visitor]:
        """Visitors that are inside for longer than `settled_after_s`; they have to go."""
        with self._lock:
            before_s = self._clock.monotonic_s() - self._settled_after_s
            gone = [each for each, visit in self._inside.items() if visit.since_s <= before_s]
            for visitor in gone:
                self._forget(visitor)
            return gone

    def _forget(self, visitor: Visitor) -> None:
        visit = self._inside.pop(visitor, None)
        if visit is not None:
            self._crowds[visit.address] -= 1
            if not self._crowds[visit.address]:
                del self._crowds[visit.address]

    def _one_of_the_crowd(self, now_s: float) -> Visitor:
        largest = max(self._crowds.values())
        crowd = (
            (visitor, visit.since_s)
            for visitor, visit in self._inside.items()
            if self._crowds[visit.address] == largest
        )
        newest: Visitor | None = None
        for visitor, since_s in crowd:
            if now_s - since_s < self._settled_after_s:
                return visitor
            newest = visitor
        assert newest is not None
        return newest
