"""The bounded buffer between the reader and the sender, where frames get their numbers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import Condition
from typing import Generic, TypeVar

T = TypeVar("T")
FrameId = int


class Slot(Generic[T]):
    """A few frames waiting to be sent. Admission is going in: it gives the `frame_id`.

    One thread puts, another delivers. What happens when it is full is the only difference
    between live sources (the newest wins) and files read at full speed (`put` waits).

    Args:
        capacity: frames that wait at most.
        overwritten: is told the `frame_id` that a newer frame replaced; None: `put` waits for
            room instead, and nothing is ever replaced.
    """

    def __init__(
        self, capacity: int, *, overwritten: Callable[[FrameId], None] | None = None
    ) -> None:
        self._capacity = capacity
        self._overwritten = overwritten
        self._changed = Condition()
        self._waiting: deque[tuple[FrameId, T]] = deque()
        self._admitted = 0
        self._closed = False

    @property
    def admitted(self) -> int:
        """Frames that ever went in, which is also the next `frame_id`."""
        with self._changed:
            return self._admitted

    @property
    def closed(self) -> bool:
        """Whether nothing will be put any more."""
        with self._changed:
            return self._closed

    def __len__(self) -> int:
        """Frames that wait."""
        with self._changed:
            return len(self._waiting)

    def put(self, frame: T) -> bool:
        """Admit `frame`; false, and not admitted, if the slot is closed."""
        with self._changed:
            if self._overwritten is None:
                self._changed.wait_for(lambda: self._closed or self._has_room())
            if self._closed:
                return False
            while self._overwritten is not None and not self._has_room():
                self._overwritten(self._waiting.popleft()[0])
            self._waiting.append((self._admitted, frame))
            self._admitted += 1
            self._changed.notify_all()
            return True

    def wait(self, timeout_s: float) -> bool:
        """Wait until something can be delivered; false after `timeout_s` or if none will come."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed, timeout_s)
            return bool(self._waiting)

    def deliver(self, send: Callable[[FrameId, T], bool]) -> bool:
        """Have `send` take the oldest frame; it stays if `send` says false."""
        with self._changed:
            if not self._waiting or not send(*self._waiting[0]):
                return False
            self._waiting.popleft()
            self._changed.notify_all()
            return True

    def close(self) -> None:
        """Admit nothing more; what waits can still be delivered."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def discard(self, dropped: Callable[[FrameId], None]) -> None:
        """Give up what waits, telling `dropped` each `frame_id`."""
        with self._changed:
            while self._waiting:
                dropped(self._waiting.popleft()[0])
            self._changed.notify_all()

    def _has_room(self) -> bool:
        return len(self._waiting) < self._capacity
