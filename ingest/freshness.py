"""A camera that was just opened may first hand out seconds of backlog; that is not inspected."""

from __future__ import annotations

from contract.clock import NS_PER_S, Clock

MAX_BACKLOG_S = 2.0


class Freshness:
    """Tells the backlog of a newly opened live source from its present.

    Backlog comes faster than it was filmed. So the present begins at the first frame that had to
    be waited for at least half as long as its timestamp advanced, and at the latest
    `MAX_BACKLOG_S` after the first frame. One instance serves one opening.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._first_s: float | None = None
        self._last_pts_ns: int | None = None
        self._fresh = False

    def is_fresh(self, *, pts_ns: int | None, waited_s: float) -> bool:
        """Whether this frame, that came `waited_s` after the one before was done, is current."""
        self._fresh = self._fresh or self._is_present(pts_ns, waited_s)
        self._last_pts_ns = pts_ns
        return self._fresh

    def _is_present(self, pts_ns: int | None, waited_s: float) -> bool:
        now_s = self._clock.monotonic_s()
        if pts_ns is None:
            return True
        if self._first_s is None or self._last_pts_ns is None:
            self._first_s = now_s
            return False
        advance_s = (pts_ns - self._last_pts_ns) / NS_PER_S
        return waited_s >= advance_s / 2 or now_s - self._first_s >= MAX_BACKLOG_S
