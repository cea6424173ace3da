"""What a live camera's reader does when frames come and when they stop.

Pure: signals and a clock go in, actions come out. A watchdog is one more signal.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from contract.backoff import BackOff
from contract.clock import Clock
from contract.messages import CameraState

STABLE_S = 10.0


class Signal(StrEnum):
    """What happened to the source."""

    FRAME = "frame"
    LOST = "lost"


@dataclass(frozen=True)
class KeepReading:
    """Ask the source for its next frame."""


@dataclass(frozen=True)
class Reopen:
    """Close the source and open it again after `after_s` seconds."""

    after_s: float


Action = KeepReading | Reopen


class Reconnect:
    """Reopens for ever, with a back-off under full jitter that `STABLE_S` of frames forgive.

    Args:
        random: uniform numbers in [0, 1).
    """

    def __init__(self, clock: Clock, random: Callable[[], float]) -> None:
        self._back_off = BackOff(clock, forgiven_after_s=STABLE_S, random=random)
        self.state = CameraState.STARTING
        self.restarts = 0

    def on(self, signal: Signal) -> Action:
        """The action that answers `signal`."""
        return self._on_frame() if signal is Signal.FRAME else self._on_lost()

    def _on_frame(self) -> Action:
        self._back_off.works()
        self.state = CameraState.STREAMING
        return KeepReading()

    def _on_lost(self) -> Action:
        self.state = CameraState.OUTAGE
        self.restarts += 1
        return Reopen(after_s=self._back_off.failed())
