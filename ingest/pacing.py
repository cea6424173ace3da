"""Playback of recorded frames at the rate of their recording."""

from __future__ import annotations

from contract.clock import NS_PER_S, Clock

MAX_LATE_S = 1.0
MAX_GAP_S = 10.0


class Pacer:
    """When each frame of a recording is due.

    The first frame is due at once and the others at their distance from it. The schedule starts
    anew at a frame that would be more than `MAX_LATE_S` late (this host cannot keep up, or was
    suspended) or more than `MAX_GAP_S` away (a jump in the recording's timestamps).
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset_s: float | None = None

    def lateness_s(self, pts_ns: int) -> float:
        """Seconds since the frame at `pts_ns` was due; negative: seconds to wait for it."""
        now_s = self._clock.monotonic_s()
        position_s = pts_ns / NS_PER_S
        if self._offset_s is not None:
            late_s = now_s - (self._offset_s + position_s)
            if -MAX_GAP_S <= late_s <= MAX_LATE_S:
                return late_s
        self._offset_s = now_s - position_s
        return 0.0
