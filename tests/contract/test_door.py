"""Who has to go when a door is full."""

from __future__ import annotations

from contract.door import Door
from tests.fakes import FakeClock


def test_a_door_that_is_not_full_lets_everybody_in() -> None:
    door: Door[str] = Door(FakeClock(), room=2, settled_after_s=10)
    assert door.enter("a", "host") is None
    assert door.enter("b", "host") is None
    door.leave("a")
    door.leave("nobody")
    assert door.enter("c", "host") is None
    assert len(door) == 2


def test_the_host_with_most_connections_loses_its_oldest() -> None:
    door: Door[int] = Door(FakeClock(), room=4, settled_after_s=10)
    door.enter(0, "honest")
    gone = [door.enter(number, "flood") for number in range(1, 101)]
    assert gone == [None] * 3 + list(range(1, 98))
    assert door.enter(101, "other") == 98
    assert door.enter(102, "another") == 99


def test_who_has_settled_stays_and_the_newest_goes() -> None:
    clock = FakeClock()
    door: Door[int] = Door(clock, room=3, settled_after_s=10)
    for number in range(3):
        door.enter(number, "host")
    clock.advance(10)
    assert door.enter(3, "host") == 3
    assert door.enter(4, "other") == 2, "the host that has most of them gives one up"


def test_a_number_that_comes_again_is_another_visitor() -> None:
    """The operating system gives a descriptor out again."""
    clock = FakeClock()
    door: Door[int] = Door(clock, room=2, settled_after_s=10)
    door.enter(7, "host")
    clock.advance(10)
    door.enter(7, "host")
    assert len(door) == 1
    assert door.take_overdue() == []


def test_who_overstays_is_told_once() -> None:
    clock = FakeClock()
    door: Door[str] = Door(clock, room=3, settled_after_s=10)
    door.enter("slow", "host")
    clock.advance(9)
    door.enter("fresh", "host")
    clock.advance(1)
    assert door.take_overdue() == ["slow"]
    assert door.take_overdue() == []
    assert len(door) == 1
