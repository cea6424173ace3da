"""Backlog after an opening is told from the present."""

from __future__ import annotations

from ingest.freshness import Freshness
from tests.fakes import FakeClock

MS = 1_000_000


def test_backlog_is_stale_until_frames_have_to_be_waited_for() -> None:
    clock = FakeClock()
    freshness = Freshness(clock)
    waits_s = [1.2, 0.002, 0.003, 0.002, 0.031, 0.04, 0.001]
    fresh = [
        freshness.is_fresh(pts_ns=i * 40 * MS, waited_s=wait) for i, wait in enumerate(waits_s)
    ]
    assert fresh == [False, False, False, False, True, True, True]


def test_it_does_not_call_frames_stale_for_ever() -> None:
    clock = FakeClock()
    freshness = Freshness(clock)
    for index in range(16):
        assert not freshness.is_fresh(pts_ns=index * 400 * MS, waited_s=0.1)
        clock.advance(0.125)
    assert freshness.is_fresh(pts_ns=16 * 400 * MS, waited_s=0.1)


def test_without_timestamps_nothing_is_stale() -> None:
    assert Freshness(FakeClock()).is_fresh(pts_ns=None, waited_s=0.0)
