"""When to start a fallen process again. Pure; the caller owns the clock."""

from __future__ import annotations

FIRST_DELAY_S = 0.5
MAX_DELAY_S = 30.0
HEALTHY_AFTER_S = 60.0


class RestartPolicy:
    """Half a second, doubling to thirty, forgiven after a minute of health."""

    def __init__(self) -> None:
        self._delay_s = FIRST_DELAY_S
        self._started_s = 0.0

    def started(self, now_s: float) -> None:
        """Note that the process started."""
        self._started_s = now_s

    def ended(self, now_s: float) -> float:
        """Seconds to wait before the next start."""
        if now_s - self._started_s >= HEALTHY_AFTER_S:
            self._delay_s = FIRST_DELAY_S
        delay_s = self._delay_s
        self._delay_s = min(MAX_DELAY_S, 2 * self._delay_s)
        return delay_s
