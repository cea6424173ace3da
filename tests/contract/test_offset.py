"""Offsets against a naive reckoning that keeps every message, and against what they are to find."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.clock import NS_PER_S
from contract.offset import MAX_OFFSET_S, SPREAD_S, WINDOW_S, Offset
from tests.fakes import FakeClock


class Sent(NamedTuple):
    """A message: how long after the one before it came, how long it was on its way."""

    pause_s: float
    way_s: float


def hear(offset: Offset, clock: FakeClock, sent: Sent, *, ahead_s: float) -> int:
    """Let a message of a clock that is ahead by so much come; by how much it seems to be, ns."""
    clock.advance(sent.pause_s)
    seems_ns = round((ahead_s - sent.way_s) * NS_PER_S)
    offset.note(sent_ns=clock.wall_ns() + seems_ns, received_ns=clock.wall_ns())
    return seems_ns


seconds = st.floats(0.0, 30.0).map(lambda value: round(value, 3))
messages = st.lists(st.builds(Sent, seconds, seconds), min_size=1, max_size=40)
ways = st.lists(st.builds(Sent, st.just(0.2), seconds), min_size=1, max_size=80)
offsets = st.floats(-100.0, 100.0).map(lambda value: round(value, 3))


@given(messages, offsets)
def test_it_is_the_quickest_of_the_window(sent: list[Sent], ahead_s: float) -> None:
    clock = FakeClock()
    offset = Offset(clock)
    heard: list[tuple[int, int]] = []
    for message in sent:
        seems_ns = hear(offset, clock, message, ahead_s=ahead_s)
        heard.append((int(clock.monotonic_s()), seems_ns))
        now = heard[-1][0]
        window = [(second, seems) for second, seems in heard if now - second < WINDOW_S]
        quickest_s = max(seems for _, seems in window) / NS_PER_S
        assert offset.ahead_s == pytest.approx(quickest_s, abs=1e-9)
        assert offset.is_ahead == (quickest_s > MAX_OFFSET_S)
        spread_s = now - window[0][0]
        assert offset.is_behind == (quickest_s < -MAX_OFFSET_S and spread_s >= SPREAD_S)


@given(ways, offsets)
def test_no_clock_is_called_ahead_that_is_not(sent: list[Sent], ahead_s: float) -> None:
    """However long messages are on their way: what is found never exceeds what is true."""
    clock = FakeClock()
    offset = Offset(clock)
    for message in sent:
        hear(offset, clock, message, ahead_s=ahead_s)
        assert offset.ahead_s is not None
        assert offset.ahead_s <= ahead_s + 1e-6
        assert ahead_s > MAX_OFFSET_S or not offset.is_ahead


@given(ways)
def test_no_clock_is_called_behind_while_one_message_was_quick(sent: list[Sent]) -> None:
    clock = FakeClock()
    offset = Offset(clock)
    for message in sent:
        hear(offset, clock, message, ahead_s=0.0)
        hear(offset, clock, Sent(0.2, 0.001), ahead_s=0.0)
        assert not offset.is_behind


def test_nothing_is_known_before_the_first_message() -> None:
    offset = Offset(FakeClock())
    assert offset.ahead_s is None
    assert not offset.is_ahead
    assert not offset.is_behind


def test_one_stamp_in_the_future_is_enough_and_stays_until_it_left_the_window() -> None:
    clock = FakeClock()
    offset = Offset(clock)
    hear(offset, clock, Sent(0.0, 0.001), ahead_s=0.2)
    assert offset.is_ahead
    clock.advance(3600.0)
    assert offset.is_ahead, "it said nothing since, so nothing better is known"
    hear(offset, clock, Sent(0.0, 0.001), ahead_s=0.0)
    assert not offset.is_ahead


@pytest.mark.parametrize("stalled_s", [1.0, 5.0, 30.0])
def test_what_piled_up_is_not_taken_for_a_clock_that_is_behind(stalled_s: float) -> None:
    """The receiver hung, then reads heartbeats of five a second, the oldest first."""
    clock = FakeClock()
    offset = Offset(clock)
    for _ in range(50):
        hear(offset, clock, Sent(0.2, 0.001), ahead_s=0.0)
    clock.advance(stalled_s)
    for late in range(round(stalled_s / 0.2), -1, -1):
        hear(offset, clock, Sent(0.001, late * 0.2), ahead_s=0.0)
        assert not offset.is_behind


def test_a_clock_that_is_behind_is_found_and_so_is_that_it_was_put_right() -> None:
    clock = FakeClock()
    offset = Offset(clock)

    def after_s(found: bool, ahead_s: float) -> float:
        waited_s = 0.0
        while offset.is_behind != found:
            hear(offset, clock, Sent(0.2, 0.001), ahead_s=ahead_s)
            waited_s += 0.2
            assert waited_s < 2 * WINDOW_S
        return waited_s

    assert after_s(found=True, ahead_s=-60.0) <= SPREAD_S + 1
    assert after_s(found=False, ahead_s=0.0) <= 0.2
    assert after_s(found=True, ahead_s=-0.2) <= WINDOW_S + 1


def test_setting_our_own_wall_clock_does_not_move_the_window() -> None:
    clock = FakeClock()
    offset = Offset(clock)
    hear(offset, clock, Sent(0.0, 0.001), ahead_s=60.0)
    clock.step(3600.0)
    hear(offset, clock, Sent(0.2, 0.001), ahead_s=0.0)
    assert offset.is_ahead
