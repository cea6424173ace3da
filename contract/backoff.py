"""How long to wait before something that failed is tried again. Pure: a clock goes in."""

from __future__ import annotations

from collections.abc import Callable

from tenacity import RetryCallState, Retrying, wait_exponential

from contract.clock import Clock


class BackOff:
    """Doubles from the first wait to the longest, for ever, and is forgiven after a time of health.

    Only what worked for a while is forgiven, so that something that dies right after each start
    is not hammered.

    Args:
        first_s, max_s: the shortest and the longest wait.
        forgiven_after_s: how long it must have worked for the waits to start over.
        random: uniform numbers in [0, 1) spread each wait over its whole length (full jitter), for
            many that would try at once; none: no jitter.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        forgiven_after_s: float,
        first_s: float = 0.5,
        max_s: float = 30.0,
        random: Callable[[], float] = lambda: 1.0,
    ) -> None:
        self._clock = clock
        self._forgiven_after_s = forgiven_after_s
        self._random = random
        self._wait = wait_exponential(multiplier=first_s, max=max_s)
        self._works_since_s: float | None = None
        self._forgive()

    def works(self) -> None:
        """Note that it works; again and again does no harm."""
        if self._works_since_s is None:
            self._works_since_s = self._clock.monotonic_s()

    def failed(self) -> float:
        """Seconds to wait before the next try."""
        since_s, self._works_since_s = self._works_since_s, None
        if since_s is not None and self._clock.monotonic_s() - since_s >= self._forgiven_after_s:
            self._forgive()
        ceiling_s = self._wait(self._attempts)
        self._attempts.prepare_for_next_attempt()
        return self._random() * ceiling_s

    def _forgive(self) -> None:
        self._attempts = RetryCallState(Retrying(), None, (), {})
