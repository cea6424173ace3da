"""Admitted frames that were given up, as ranges, until the sinks have been told.

Reasons: OVERWRITTEN, NO_SCORER, and SHUTDOWN for those still unsent when the grace period of a stop
or of a live file's end was over.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from threading import Lock
from typing import NamedTuple

from contract.reasons import Reason

MAX_RANGES = 10_000

log = logging.getLogger(__name__)


class DropRange(NamedTuple):
    """Frames `first_frame_id` to `last_frame_id`, both included."""

    first_frame_id: int
    last_frame_id: int
    reason: Reason


class Drops:
    """A bounded list of dropped ranges; neighbours with one reason are merged.

    Beyond `MAX_RANGES` the oldest is forgotten, loudly: the sinks then book those frames as lost.
    Safe to use from several threads. `cause` says why frames cannot leave at the moment.
    """

    def __init__(self, max_ranges: int = MAX_RANGES) -> None:
        self._lock = Lock()
        self._max_ranges = max_ranges
        self._ranges: deque[DropRange] = deque()
        self.cause = Reason.NO_SCORER
        self.dropped = 0
        self.forgotten = 0

    def overwritten(self, frame_id: int) -> None:
        """Frame `frame_id` was replaced by a newer one, for the `cause` of the moment."""
        self.add(frame_id, self.cause)

    def add(self, frame_id: int, reason: Reason) -> None:
        """Frame `frame_id` was given up; ids only grow."""
        with self._lock:
            self.dropped += 1
            last = self._ranges[-1] if self._ranges else None
            if last and last.last_frame_id + 1 == frame_id and last.reason == reason:
                self._ranges[-1] = last._replace(last_frame_id=frame_id)
                return
            self._ranges.append(DropRange(frame_id, frame_id, reason))
            if len(self._ranges) > self._max_ranges:
                self._forget_oldest()

    def deliver(self, send: Callable[[DropRange], bool]) -> bool:
        """Have `send` take the ranges, oldest first, until it says false; true if none is left."""
        with self._lock:
            while self._ranges and send(self._ranges[0]):
                self._ranges.popleft()
            return not self._ranges

    def _forget_oldest(self) -> None:
        oldest = self._ranges.popleft()
        if self.forgotten == 0:
            log.error(
                "more than %d dropped ranges wait for the sinks; forgetting the oldest, which "
                "will be booked as lost: start the sinks",
                self._max_ranges,
            )
        self.forgotten += oldest.last_frame_id - oldest.first_frame_id + 1
