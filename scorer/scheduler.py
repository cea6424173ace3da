"""Which frames are scored next: earliest deadline first. Pure; knows no model and no socket."""

from __future__ import annotations

import heapq
from itertools import count
from typing import NamedTuple

from contract.codec import Frame

NEVER_NS = 1 << 63


class Job(NamedTuple):
    """A received frame that waits for its score."""

    frame: Frame
    received_ns: int


class Batch(NamedTuple):
    """What to do next: `late` frames get no score, `ready` ones are scored together."""

    late: list[Job]
    ready: list[Job]


class Scheduler:
    """A bounded set of waiting frames, handed out by deadline, then by arrival.

    Args:
        max_pending: frames that may wait; `has_room` says when no more may be added.
        max_batch: frames handed out at once.
    """

    def __init__(self, *, max_pending: int, max_batch: int) -> None:
        self._max_pending = max_pending
        self._max_batch = max_batch
        self._heap: list[tuple[int, int, Job]] = []
        self._arrivals = count()

    def __len__(self) -> int:
        return len(self._heap)

    @property
    def has_room(self) -> bool:
        return len(self._heap) < self._max_pending

    def add(self, job: Job) -> None:
        """Let `job` wait.

        Raises:
            OverflowError: there is no room; ask `has_room` first.
        """
        if not self.has_room:
            raise OverflowError(f"{self._max_pending} frames wait already")
        deadline_ns = job.frame.header.deadline_ns
        key = NEVER_NS if deadline_ns is None else deadline_ns
        heapq.heappush(self._heap, (key, next(self._arrivals), job))

    def next_batch(self, now_ns: int) -> Batch:
        """Take the frames whose deadline has passed, and the next ones to score."""
        batch = Batch([], [])
        while self._heap and len(batch.ready) < self._max_batch:
            deadline_ns, _, job = heapq.heappop(self._heap)
            (batch.late if deadline_ns < now_ns else batch.ready).append(job)
        return batch
