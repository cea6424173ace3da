"""What a live camera's reader does when frames come and when they stop.

Pure: signals and a clock go in, actions come out. A watchdog is one more signal.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from contract.clock import Clock
from contract.messages import CameraState

FIRST_BACK_OFF_S = 0.5
MAX_BACK_OFF_S = 30.0
STABLE_S = 10.0
_MAX_DOUBLINGS = 16


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
    """Reopens for ever, with a back-off that doubles from 0.5 s to 30 s under full jitter.

    The back-off starts over only after `STABLE_S` of frames, so a camera that dies right after
    each opening is not hammered.

    Args:
        random: uniform numbers in [0, 1).
    """

    def __init__(self, clock: Clock, random: Callable[[], float]) -> None:
        self._clock = clock
        self._random = random
        self._doublings = 0
        self._streaming_since_s = 0.0
        self.state = CameraState.STARTING
        self.restarts = 0

    def on(self, signal: Signal) -> Action:
        """The action that answers `signal`."""
        return self._on_frame() if signal is Signal.FRAME else self._on_lost()

    def _on_frame(self) -> Action:
        if self.state is not CameraState.STREAMING:
            self._streaming_since_s = self._clock.monotonic_s()
            self.state = CameraState.STREAMING
        return KeepReading()

    def _on_lost(self) -> Action:
        if self.state is CameraState.STREAMING:
            if self._clock.monotonic_s() - self._streaming_since_s >= STABLE_S:
                self._doublings = 0
        ceiling_s = min(MAX_BACK_OFF_S, FIRST_BACK_OFF_S * 2**self._doublings)
        self._doublings = min(self._doublings + 1, _MAX_DOUBLINGS)
        self.state = CameraState.OUTAGE
        self.restarts += 1
        return Reopen(after_s=self._random() * ceiling_s)
