"""Whether a process is well, by what it tells and when. Pure: a clock goes in."""

from __future__ import annotations

from contract.beat import Beat
from contract.clock import Clock
from contract.progress import STALLED_S, Progress

START_LIMIT_S = 300.0
DEAF_STOP_LIMIT_S = 20.0
HURRY_LIMIT_S = 10.0
# A process gives up by itself after STALLED_S, and needs a moment to say so.
STOP_LIMIT_S = STALLED_S + 30.0


class Vitals:
    """The life of one process, from its start.

    It may take its time to load. From the first sign of life it must not be silent for
    `hung_after_s`, and once it was told to stop it must get on.

    Attributes:
        beat: the newest; an empty one before the first.
        hung_after_s: may change.
    """

    def __init__(self, clock: Clock, *, hung_after_s: float) -> None:
        self._clock = clock
        self.hung_after_s = hung_after_s
        self._start_s = self._heard_s = clock.monotonic_s()
        self._heard = False
        self._stop_s: float | None = None
        self._hurry_s: float | None = None
        self._progress = Progress(clock)
        self.beat = Beat()

    def heard(self, beat: Beat | None = None) -> None:
        """A sign of life came."""
        self._heard = True
        self._heard_s = self._clock.monotonic_s()
        if beat is not None:
            self.beat = beat
            self._progress.note((beat.done, beat.left))

    def told_to_stop(self) -> None:
        """From now on it must get on with its end."""
        if self._stop_s is None:
            self._stop_s = self._clock.monotonic_s()
            self._progress = Progress(self._clock)

    def told_to_hurry(self) -> None:
        """From now on it must end."""
        if self._hurry_s is None:
            self._hurry_s = self._clock.monotonic_s()

    @property
    def is_told(self) -> bool:
        return self._stop_s is not None

    @property
    def is_hurried(self) -> bool:
        return self._hurry_s is not None

    def ailment(self) -> str | None:
        """Why it must be killed; None while it is well."""
        return self._unstopped() or self._silent()

    def _silent(self) -> str | None:
        if not self._heard:
            limit_s = START_LIMIT_S
            silent_s = self._since_s(self._start_s)
            what = "not ready"
        else:
            # After its last turn it still has to close what it opened.
            ending = self._stop_s is not None
            limit_s = max(self.hung_after_s, DEAF_STOP_LIMIT_S) if ending else self.hung_after_s
            silent_s, what = self._since_s(self._heard_s), "no sign"
        return f"{what} for {silent_s:.0f} s" if silent_s > limit_s else None

    def _unstopped(self) -> str | None:
        if self._hurry_s is not None and self._since_s(self._hurry_s) > HURRY_LIMIT_S:
            return f"still there {HURRY_LIMIT_S:.0f} s after it was told to hurry"
        if self._stop_s is None:
            return None
        if not self._heard and self._since_s(self._stop_s) > DEAF_STOP_LIMIT_S:
            return f"did not stop in {DEAF_STOP_LIMIT_S:.0f} s"
        if self._heard and self._progress.stalled_s > STOP_LIMIT_S:
            return f"did not stop, and nothing has moved for {self._progress.stalled_s:.0f} s"
        return None

    def _since_s(self, moment_s: float) -> float:
        return self._clock.monotonic_s() - moment_s
