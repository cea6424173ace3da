"""Waits between tries, without waiting for them."""

from __future__ import annotations

import pytest

from contract.backoff import BackOff
from tests.fakes import FakeClock


def test_waits_double_up_to_half_a_minute_and_never_end() -> None:
    back_off = BackOff(FakeClock(), forgiven_after_s=60)
    waits_s = [back_off.failed() for _ in range(2000)]
    assert waits_s[:8] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert waits_s[-1] == 30


def test_what_works_for_a_while_is_forgiven_and_what_dies_at_once_is_not() -> None:
    clock = FakeClock()
    back_off = BackOff(clock, forgiven_after_s=60)
    waits_s = []
    for worked_s in (0.5, 0.5, 59, 60, 0.5):
        back_off.works()
        clock.advance(worked_s)
        back_off.works()
        waits_s.append(back_off.failed())
    assert waits_s == [0.5, 1, 2, 0.5, 1]


def test_what_never_worked_is_not_forgiven() -> None:
    clock = FakeClock()
    back_off = BackOff(clock, forgiven_after_s=60)
    assert back_off.failed() == 0.5
    clock.advance(3600)
    assert back_off.failed() == 1


@pytest.mark.parametrize("share", [0.0, 0.3, 0.999])
def test_jitter_spreads_over_the_whole_wait(share: float) -> None:
    back_off = BackOff(FakeClock(), forgiven_after_s=10, random=lambda: share)
    assert [back_off.failed() for _ in range(3)] == pytest.approx([0.5 * share, share, 2 * share])
