"""When the wall clock is believed."""

from __future__ import annotations

import pytest

from contract.clock import NS_PER_S, WallWatch
from tests.fakes import FakeClock

DAY_S = 86_400.0


@pytest.mark.parametrize("step_s", [400 * DAY_S, 3600.0, -3600.0])
def test_a_clock_that_stepped_is_not_trusted_for_a_day(step_s: float) -> None:
    clock = FakeClock()
    watch = WallWatch(clock, written_ns=clock.wall_ns())
    assert watch.trusted()
    clock.step(step_s)
    assert not watch.trusted()
    clock.advance(DAY_S - 1)
    assert not watch.trusted()
    clock.advance(1)
    assert watch.trusted()


def test_every_step_begins_the_day_anew() -> None:
    clock = FakeClock()
    watch = WallWatch(clock, written_ns=None)
    for step_s in (400 * DAY_S, -400 * DAY_S):
        clock.step(step_s)
        assert not watch.trusted()
        clock.advance(DAY_S / 2)
    assert not watch.trusted()
    clock.advance(DAY_S / 2)
    assert watch.trusted()


def test_a_clock_that_is_corrected_gently_is_trusted() -> None:
    """A time service slews by at most 500 ppm: 43 s a day."""
    clock = FakeClock()
    watch = WallWatch(clock, written_ns=clock.wall_ns())
    for _ in range(30 * 24):
        clock.advance(3600.0)
        clock.step(1.8)
        assert watch.trusted()


@pytest.mark.parametrize(("days", "trusted"), [(0.7, True), (400, False), (-400, False)])
def test_a_start_far_from_when_something_was_written_waits(days: float, trusted: bool) -> None:
    clock = FakeClock()
    written_ns = clock.wall_ns() - round(days * DAY_S * NS_PER_S)
    watch = WallWatch(clock, written_ns=written_ns)
    assert watch.trusted() == trusted
    clock.advance(DAY_S)
    assert watch.trusted()
