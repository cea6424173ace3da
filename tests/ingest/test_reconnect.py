"""Outages and back-off, without waiting for them."""

from __future__ import annotations

import pytest

from contract.messages import CameraState
from ingest.reconnect import KeepReading, Reconnect, Reopen, Signal
from tests.fakes import FakeClock


def reopen_after_s(reconnect: Reconnect) -> float:
    action = reconnect.on(Signal.LOST)
    assert isinstance(action, Reopen)
    return action.after_s


def test_the_back_off_doubles_up_to_half_a_minute_and_never_ends() -> None:
    reconnect = Reconnect(FakeClock(), random=lambda: 1.0)
    waits_s = [reopen_after_s(reconnect) for _ in range(1000)]
    assert waits_s[:8] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert waits_s[-1] == 30
    assert reconnect.restarts == 1000


@pytest.mark.parametrize("share", [0.0, 0.3, 0.999])
def test_jitter_spreads_over_the_whole_back_off(share: float) -> None:
    reconnect = Reconnect(FakeClock(), random=lambda: share)
    assert [reopen_after_s(reconnect) for _ in range(3)] == pytest.approx(
        [0.5 * share, 1.0 * share, 2.0 * share]
    )


def test_the_state_follows_the_camera() -> None:
    reconnect = Reconnect(FakeClock(), random=lambda: 1.0)
    states = [reconnect.state]
    assert reconnect.on(Signal.FRAME) == KeepReading()
    states.append(reconnect.state)
    reconnect.on(Signal.LOST)
    states.append(reconnect.state)
    reconnect.on(Signal.FRAME)
    states.append(reconnect.state)
    assert states == [
        CameraState.STARTING,
        CameraState.STREAMING,
        CameraState.OUTAGE,
        CameraState.STREAMING,
    ]


def test_only_a_stable_stream_resets_the_back_off() -> None:
    clock = FakeClock()
    reconnect = Reconnect(clock, random=lambda: 1.0)
    assert [reopen_after_s(reconnect) for _ in range(3)] == [0.5, 1, 2]
    reconnect.on(Signal.FRAME)
    clock.advance(3.0)
    reconnect.on(Signal.FRAME)
    assert reopen_after_s(reconnect) == 4
    reconnect.on(Signal.FRAME)
    clock.advance(11.0)
    reconnect.on(Signal.FRAME)
    assert reopen_after_s(reconnect) == 0.5
