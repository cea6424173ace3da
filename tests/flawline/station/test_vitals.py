"""When a process is given up, without waiting for it."""

from __future__ import annotations

import pytest

from contract.beat import Beat
from contract.progress import STALLED_S
from flawline.station.vitals import (
    DEAF_STOP_LIMIT_S,
    HURRY_LIMIT_S,
    START_LIMIT_S,
    STOP_LIMIT_S,
    Vitals,
)
from tests.fakes import FakeClock

HUNG_S = 10.0


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def vitals(clock: FakeClock) -> Vitals:
    return Vitals(clock, hung_after_s=HUNG_S)


def test_loading_may_take_longer_than_silence_later(clock: FakeClock, vitals: Vitals) -> None:
    clock.advance(START_LIMIT_S)
    assert vitals.ailment() is None
    clock.advance(1)
    assert vitals.ailment() == "not ready for 301 s"


def test_silence_is_counted_from_the_last_sign(clock: FakeClock, vitals: Vitals) -> None:
    vitals.heard()
    clock.advance(HUNG_S)
    vitals.heard(Beat(done=1))
    clock.advance(HUNG_S)
    assert vitals.ailment() is None
    clock.advance(2)
    assert vitals.ailment() == "no sign for 12 s"


def test_a_stop_may_take_for_ever_while_it_gets_on(clock: FakeClock, vitals: Vitals) -> None:
    vitals.heard(Beat(done=0, left=100))
    vitals.told_to_stop()
    for left in range(100, 0, -1):
        clock.advance(HUNG_S - 1)
        vitals.heard(Beat(done=0, left=left))
        assert vitals.ailment() is None


def test_a_stop_that_does_not_get_on_ends(clock: FakeClock, vitals: Vitals) -> None:
    vitals.heard(Beat(done=5))
    clock.advance(HUNG_S - 1)
    vitals.told_to_stop()
    waited_s = 0
    while vitals.ailment() is None:
        clock.advance(1)
        waited_s += 1
        vitals.heard(Beat(done=5))
    assert STALLED_S < waited_s <= STOP_LIMIT_S + 2
    assert "nothing has moved for" in str(vitals.ailment())


def test_one_that_hangs_while_it_stops_is_found(clock: FakeClock, vitals: Vitals) -> None:
    """It has a moment more, to close what it opened after its last turn."""
    vitals.heard(Beat(done=5))
    vitals.told_to_stop()
    clock.advance(DEAF_STOP_LIMIT_S)
    assert vitals.ailment() is None
    clock.advance(1)
    assert vitals.ailment() == "no sign for 21 s"


def test_one_that_still_loads_is_not_waited_for(clock: FakeClock, vitals: Vitals) -> None:
    vitals.told_to_stop()
    clock.advance(DEAF_STOP_LIMIT_S + 1)
    assert vitals.ailment() == "did not stop in 20 s"


def test_haste_has_a_limit(clock: FakeClock, vitals: Vitals) -> None:
    vitals.told_to_stop()
    vitals.told_to_hurry()
    for done in range(int(HURRY_LIMIT_S) + 1):
        vitals.heard(Beat(done=done))
        assert vitals.ailment() is None
        clock.advance(1)
    assert vitals.ailment() == "still there 10 s after it was told to hurry"
