"""The slot admits, numbers, replaces and never loses count."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from ingest.slot import Slot

T = TypeVar("T")
DEADLINE_S = 10.0


def taking(note: Callable[[int, T], None]) -> Callable[[int, T], bool]:
    """A sender that notes each frame and always succeeds."""

    def send(frame_id: int, frame: T) -> bool:
        note(frame_id, frame)
        return True

    return send


def test_the_newest_wins_and_the_overwritten_is_named() -> None:
    overwritten: list[int] = []
    slot: Slot[str] = Slot(1, overwritten=overwritten.append)
    assert all(slot.put(name) for name in "abc")
    taken: list[tuple[int, str]] = []
    assert slot.deliver(taking(lambda *frame: taken.append(frame)))
    assert (taken, overwritten, slot.admitted) == ([(2, "c")], [0, 1], 3)


def test_a_frame_that_could_not_be_sent_stays() -> None:
    slot: Slot[str] = Slot(1, overwritten=lambda frame_id: None)
    slot.put("a")
    assert not slot.deliver(lambda frame_id, frame: False)
    assert len(slot)
    assert slot.deliver(lambda frame_id, frame: (frame_id, frame) == (0, "a"))
    assert not len(slot)


def test_a_blocking_slot_waits_for_room_and_keeps_everything() -> None:
    slot: Slot[int] = Slot(2)
    writer = threading.Thread(target=lambda: [slot.put(i) for i in range(500)])
    writer.start()
    taken: list[int] = []
    while len(taken) < 500:
        assert slot.wait(DEADLINE_S)
        slot.deliver(taking(lambda frame_id, frame: taken.append(frame)))
    writer.join(DEADLINE_S)
    assert taken == list(range(500))
    assert slot.admitted == 500


def test_closing_frees_a_waiting_writer_whose_frame_is_not_admitted() -> None:
    slot: Slot[str] = Slot(1)
    slot.put("a")
    results: list[bool] = []
    writer = threading.Thread(target=lambda: results.append(slot.put("b")))
    writer.start()
    slot.close()
    writer.join(DEADLINE_S)
    assert results == [False]
    assert slot.admitted == 1
    assert slot.wait(0.0)


def test_what_is_discarded_is_told() -> None:
    slot: Slot[str] = Slot(4)
    slot.put("a")
    slot.put("b")
    slot.close()
    discarded: list[int] = []
    slot.discard(discarded.append)
    assert discarded == [0, 1]
    assert not len(slot)
    assert not slot.wait(DEADLINE_S)


def test_every_id_is_delivered_or_overwritten_exactly_once() -> None:
    overwritten: list[int] = []
    slot: Slot[int] = Slot(1, overwritten=overwritten.append)

    def write() -> None:
        for i in range(2000):
            slot.put(i)
        slot.close()

    writer = threading.Thread(target=write)
    writer.start()
    delivered: list[int] = []
    while not (slot.closed and not len(slot)):
        if slot.wait(DEADLINE_S):
            slot.deliver(taking(lambda frame_id, frame: delivered.append(frame_id)))
    writer.join(DEADLINE_S)
    assert sorted(delivered + overwritten) == list(range(2000))
    assert delivered == sorted(delivered)
