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

    def clear(self) -> list[Job]:
        """Take every frame that waits, the most urgent first."""
        jobs = [job for _, _, job in sorted(self._heap, key=lambda item: item[:2])]
        self._heap.clear()
        return jobs

    def next_batch(self, now_ns: int, frame_ns: int) -> Batch:
        """Take the next frames to score, and those that cannot be scored in time.

        Under overload the earliest deadlines are the hopeless ones. Scoring them would make the
        next ones late as well, so they are given up as soon as they cannot be met, and a batch
        ends where one more frame would make its most urgent one late.

        Args:
            now_ns: wall clock.
            frame_ns: what scoring one frame takes, by experience.
        """
        batch = Batch([], [])
        most_urgent_ns = NEVER_NS
        while self._heap and len(batch.ready) < self._max_batch:
            deadline_ns, _, job = self._heap[0]
            done_ns = now_ns + frame_ns * (len(batch.ready) + 1)
            if batch.ready and done_ns > most_urgent_ns:
                break
            heapq.heappop(self._heap)
            if deadline_ns < done_ns:
                batch.late.append(job)
                continue
            most_urgent_ns = min(most_urgent_ns, deadline_ns)
            batch.ready.append(job)
        return batch
