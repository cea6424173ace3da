"""What waits stays within its bounds and in its order."""

from __future__ import annotations

import threading
from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from contract.backlog import Backlog


@given(st.lists(st.one_of(st.integers(0, 60), st.none()), max_size=60))
def test_it_keeps_order_and_bounds_like_a_list(steps: list[int | None]) -> None:
    """A number is an item of so many bytes, None takes one."""
    backlog: Backlog[int] = Backlog(max_items=4, max_bytes=50)
    waiting: deque[int] = deque()
    for step in steps:
        if step is None:
            assert backlog.take(0) == (waiting.popleft() if waiting else None)
            continue
        room = len(waiting) < 4 and sum(waiting) + step <= 50
        assert backlog.offer(step, step) == room
        if room:
            waiting.append(step)
        assert len(backlog) == len(waiting)


def test_a_taker_is_woken() -> None:
    backlog: Backlog[str] = Backlog(max_items=1, max_bytes=1)
    taken: list[str | None] = []
    taker = threading.Thread(target=lambda: taken.append(backlog.take(30)))
    taker.start()
    assert backlog.offer("part", 1)
    taker.join(30)
    assert taken == ["part"]
