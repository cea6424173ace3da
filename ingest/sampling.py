"""Which decoded frames are admitted when `fps` asks for fewer than the source gives."""

from __future__ import annotations

from contract.clock import NS_PER_S

START_CREDIT = 0.6
PASSING_CREDIT = 0.5
MAX_CREDIT = 1.5


class Sampler:
    """Lets `fps` frames a second through, whatever rate the source claims.

    Time adds `fps` credits a second; a frame passes at half a credit and costs one. The half
    absorbs jitter, the remainder carries over so that the rate does not drift, and the cap keeps
    a pause from becoming a burst. A source slower than `fps` passes whole.

    Args:
        fps: frames per second; None: every frame.
    """

    def __init__(self, fps: float | None) -> None:
        self._fps = fps
        self._credit = START_CREDIT
        self._last_pts_ns: int | None = None
        self._last_arrival_ns: int | None = None

    def admits(self, *, pts_ns: int | None, arrival_ns: int) -> bool:
        """Whether this frame passes; its arrival counts when the source's time stands still."""
        if self._fps is None:
            return True
        elapsed_ns = self._elapsed_ns(pts_ns, arrival_ns)
        self._last_pts_ns, self._last_arrival_ns = pts_ns, arrival_ns
        self._credit = min(MAX_CREDIT, self._credit + elapsed_ns / NS_PER_S * self._fps)
        if self._credit < PASSING_CREDIT:
            return False
        self._credit -= 1.0
        return True

    def _elapsed_ns(self, pts_ns: int | None, arrival_ns: int) -> int:
        if pts_ns is not None and self._last_pts_ns is not None and pts_ns > self._last_pts_ns:
            return pts_ns - self._last_pts_ns
        if self._last_arrival_ns is None:
            return 0
        return max(0, arrival_ns - self._last_arrival_ns)
