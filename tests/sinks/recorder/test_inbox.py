"""How much room there is for what waits for the store."""

from __future__ import annotations

from contract.messages import DropMessage
from sinks.arrival import Arrivals
from sinks.recorder.inbox import FIRST_ROOM, Inbox
from tests.fakes import FakeClock
from tests.sinks.kit import arrival, clocks, drop, verdict

SIZE = 8


def test_what_nobody_sends_again_has_room_of_its_own() -> None:
    inbox, arrivals = Inbox(SIZE, FakeClock()), Arrivals(clocks())
    sent = [verdict(frame_id) for frame_id in range(SIZE * FIRST_ROOM)]
    first = [arrival(each, arrivals=arrivals) for each in sent]
    assert all(map(inbox.put, first)), "they were told already"
    assert not inbox.put(arrival(verdict(len(sent)), arrivals=arrivals))
    again = [arrival(each, arrivals=arrivals) for each in sent]
    assert not any(map(inbox.put, again)), "they come once more"
    drops: list[DropMessage] = [drop(n, n) for n in range(SIZE + 1)]
    assert [inbox.put(each) for each in drops] == [True] * SIZE + [False]
