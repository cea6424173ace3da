"""Whether work gets on. Pure: a clock goes in."""

from __future__ import annotations

from contract.clock import Clock

STALLED_S = 60.0
"""A stop waits for work that gets on; this long without any, and it is given up. Longer than the
longest step of a scorer: nine tiles of the paper's model on a slow CPU take half of it."""

ORPHAN_STALLED_S = 5.0
"""As long as that without a supervisor: those that are waited for end as well, and until all have
ended no station can be started again."""


class Progress:
    """How long a number has stood still."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._done: object = None
        self._moved_s = clock.monotonic_s()

    def note(self, done: object) -> None:
        """Take note of how far the work is; any change is progress."""
        if done != self._done:
            self._done, self._moved_s = done, self._clock.monotonic_s()

    @property
    def stalled_s(self) -> float:
        """Seconds since the last progress, or since the beginning."""
        return self._clock.monotonic_s() - self._moved_s
