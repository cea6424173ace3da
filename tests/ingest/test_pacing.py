"""When the frames of a recording are due."""

from __future__ import annotations

import pytest

from ingest.pacing import Pacer
from tests.fakes import FakeClock

S = 1_000_000_000


def test_frames_are_due_at_their_distance_from_the_first() -> None:
    clock = FakeClock()
    pacer = Pacer(clock)
    assert pacer.lateness_s(5 * S) == 0
    assert pacer.lateness_s(5 * S + S // 25) == pytest.approx(-0.04)
    clock.advance(0.1)
    assert pacer.lateness_s(5 * S + S // 25) == pytest.approx(0.06)


def test_a_slow_reader_does_not_shift_the_schedule() -> None:
    clock = FakeClock()
    pacer = Pacer(clock)
    pacer.lateness_s(0)
    for index in range(1, 1000):
        wait_s = max(0.0, -pacer.lateness_s(index * S // 10))
        clock.advance(wait_s + 0.03)
    assert pacer.lateness_s(1000 * S // 10) == pytest.approx(-0.07)


def test_the_schedule_starts_anew_when_it_cannot_be_kept() -> None:
    clock = FakeClock()
    pacer = Pacer(clock)
    pacer.lateness_s(0)
    clock.advance(60.0)
    assert pacer.lateness_s(S) == 0
    assert pacer.lateness_s(2 * S) == pytest.approx(-1.0)


def test_a_jump_in_the_timestamps_is_not_waited_for() -> None:
    pacer = Pacer(FakeClock())
    pacer.lateness_s(0)
    assert pacer.lateness_s(26 * 3600 * S) == 0
    assert pacer.lateness_s(0) == 0
