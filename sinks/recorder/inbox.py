"""What waits for the record sink: filled by the main loop, emptied by the sink's thread."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Iterable

from contract.clock import Clock
from contract.messages import CameraMessage, DropMessage, EndOfStreamMessage, StreamKey
from sinks.arrival import Arrival

BATCH_ITEMS = 64
BATCH_S = 0.02
FIRST_ROOM = 16

Item = Arrival | DropMessage | EndOfStreamMessage


class Inbox:
    """A bounded queue of items, and beside it the newest totals of each stream.

    Verdicts that came before may fill it to `size`. A verdict that came first has been told, maybe
    of a scorer that will not live to send it again: for those there is much room. Drops and ends,
    which nobody sends again, have `size` beyond that to themselves.
    """

    def __init__(self, size: int, clock: Clock) -> None:
        self._size = size
        self._clock = clock
        self._queue: queue.SimpleQueue[Item] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._totals: dict[StreamKey, CameraMessage] = {}
        self._heard_s: dict[StreamKey, float] = {}

    def __len__(self) -> int:
        return self._queue.qsize()

    def put(self, item: Item) -> bool:
        """Queue `item`; False when there is no room."""
        room = self._size
        if isinstance(item, Arrival):
            room *= FIRST_ROOM if item.first else 1
        else:
            room *= FIRST_ROOM + 1
        if self._queue.qsize() >= room:
            return False
        self._queue.put(item)
        return True

    def take_over(self, arrival: Arrival) -> None:
        """Queue what an earlier process left behind, which its journal bounds."""
        self._queue.put(arrival)

    def batch(self, wait_s: float = BATCH_S) -> list[Item]:
        """What is queued, once something is; empty if nothing comes within `wait_s`."""
        items: list[Item] = []
        with contextlib.suppress(queue.Empty):
            items.append(self._queue.get(timeout=wait_s))
            deadline_s = time.monotonic() + BATCH_S
            while len(items) < BATCH_ITEMS and (left_s := deadline_s - time.monotonic()) > 0:
                items.append(self._queue.get(timeout=left_s))
        return items

    def put_totals(self, message: CameraMessage) -> None:
        """Note the totals of a stream in the place of its earlier ones."""
        with self._lock:
            self._totals[message.stream] = message
            self._heard_s[message.stream] = self._clock.monotonic_s()

    def totals(self) -> list[CameraMessage]:
        """Totals that are not `done`."""
        with self._lock:
            return list(self._totals.values())

    def done(self, totals: Iterable[CameraMessage], *, still_open: set[StreamKey]) -> None:
        """`totals` are stored; forget them, and when streams were heard that are closed now."""
        with self._lock:
            for message in totals:
                if self._totals[message.stream] is message:
                    del self._totals[message.stream]
            for stream in self._heard_s.keys() - still_open - self._totals.keys():
                del self._heard_s[stream]

    def is_silent(self, stream: StreamKey, *, after_s: float) -> bool:
        """Whether no totals of `stream` came for `after_s`, or none at all."""
        with self._lock:
            heard_s = self._heard_s.get(stream)
        return heard_s is None or self._clock.monotonic_s() - heard_s > after_s
