"""Dropped frames are kept as ranges until somebody took them."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.reasons import Reason
from ingest.drops import DropRange, Drops

REASONS = st.sampled_from(Reason)


def all_of(drops: Drops) -> list[DropRange]:
    """Take every range."""
    taken: list[DropRange] = []

    def take(dropped: DropRange) -> bool:
        taken.append(dropped)
        return True

    assert drops.deliver(take)
    return taken


def test_neighbours_with_one_reason_become_one_range() -> None:
    drops = Drops()
    for frame_id in (3, 4, 5):
        drops.add(frame_id, Reason.OVERWRITTEN)
    drops.add(6, Reason.NO_SCORER)
    drops.add(8, Reason.NO_SCORER)
    assert all_of(drops) == [
        (3, 5, Reason.OVERWRITTEN),
        (6, 6, Reason.NO_SCORER),
        (8, 8, Reason.NO_SCORER),
    ]


def test_what_is_not_taken_stays() -> None:
    drops = Drops()
    drops.add(1, Reason.OVERWRITTEN)
    assert not drops.deliver(lambda dropped: False)
    drops.add(2, Reason.OVERWRITTEN)
    assert drops.deliver(lambda dropped: dropped == (1, 2, Reason.OVERWRITTEN))


def test_the_oldest_is_forgotten_loudly_beyond_the_bound(caplog: pytest.LogCaptureFixture) -> None:
    drops = Drops(max_ranges=3)
    with caplog.at_level(logging.ERROR):
        for frame_id in range(0, 10, 2):
            drops.add(frame_id, Reason.OVERWRITTEN)
    taken = [dropped.first_frame_id for dropped in all_of(drops)]
    assert (taken, drops.forgotten, drops.dropped) == ([4, 6, 8], 2, 5)
    assert len(caplog.records) == 1
    assert "booked as lost" in caplog.text


@given(st.dictionaries(st.integers(0, 60), REASONS))
def test_ranges_hold_exactly_what_was_added(added: dict[int, Reason]) -> None:
    drops = Drops()
    for frame_id in sorted(added):
        drops.add(frame_id, added[frame_id])
    told = {i: reason for first, last, reason in all_of(drops) for i in range(first, last + 1)}
    assert told == added
