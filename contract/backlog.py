"""A queue between two threads, bounded by the number of its items and by their bytes."""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Backlog(Generic[Item]):
    """What waits for another thread, oldest first. Whoever offers is never blocked.

    Args:
        max_items: so many may wait.
        max_bytes: so many bytes may wait; one item that has more finds no room.
    """

    def __init__(self, *, max_items: int, max_bytes: int) -> None:
        self._max_items = max_items
        self._max_bytes = max_bytes
        self._items: deque[tuple[Item, int]] = deque()
        self._bytes = 0
        self._changed = threading.Condition()

    def __len__(self) -> int:
        return len(self._items)

    def offer(self, item: Item, nbytes: int) -> bool:
        """Let `item` wait; False if there is no room."""
        with self._changed:
            if len(self._items) >= self._max_items or self._bytes + nbytes > self._max_bytes:
                return False
            self._items.append((item, nbytes))
            self._bytes += nbytes
            self._changed.notify()
            return True

    def take(self, timeout_s: float) -> Item | None:
        """The oldest item, waited for if there is none; None after `timeout_s`."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._items, timeout_s):
                return None
            item, nbytes = self._items.popleft()
            self._bytes -= nbytes
            return item
