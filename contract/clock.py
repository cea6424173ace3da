"""Time as a dependency, so that state machines can be tested without waiting.

Every `*_ns` in a message is the UTC wall clock of the host that wrote it, in nanoseconds since
the Unix epoch. Hosts that share a deadline must be synchronised (PTP, or NTP within a few
milliseconds): latency and lateness are differences of these stamps.
"""

from __future__ import annotations

import time
from datetime import datetime
from typing import Protocol

NS_PER_S = 1_000_000_000
STEP_NS = 60 * NS_PER_S
STEADY_NS = 86_400 * NS_PER_S


class Clock(Protocol):
    """The two clocks a process may read."""

    def wall_ns(self) -> int:
        """UTC nanoseconds since the Unix epoch; may step."""
        ...

    def monotonic_s(self) -> float:
        """Seconds since some fixed moment; never steps."""
        ...


class SystemClock:
    """The clocks of this host."""

    def wall_ns(self) -> int:
        return time.time_ns()

    def monotonic_s(self) -> float:
        return time.monotonic()


class WallWatch:
    """Whether the wall clock can be trusted with what cannot be undone, such as deleting by age.

    A step is seen against the monotonic clock. After one, and where the clock stands far from when
    something was last written here, it has to go on evenly for a day: a wrong date is put right in
    that time, and a machine that was off for weeks loses nothing by waiting.

    Args:
        written_ns: wall clock when something was last written, by whichever process; None: nothing
            was.
    """

    def __init__(self, clock: Clock, *, written_ns: int | None) -> None:
        self._clock = clock
        self._offset_ns = self._now_offset_ns()
        far = written_ns is not None and abs(clock.wall_ns() - written_ns) > STEADY_NS
        self._stepped_s = clock.monotonic_s() if far else None

    def trusted(self) -> bool:
        """Whether it has gone on evenly; to be asked at least every few minutes."""
        offset_ns = self._now_offset_ns()
        now_s = self._clock.monotonic_s()
        if abs(offset_ns - self._offset_ns) > STEP_NS:
            self._stepped_s = now_s
        self._offset_ns = offset_ns
        if self._stepped_s is not None and now_s - self._stepped_s >= STEADY_NS / NS_PER_S:
            self._stepped_s = None
        return self._stepped_s is None

    def _now_offset_ns(self) -> int:
        return self._clock.wall_ns() - round(self._clock.monotonic_s() * NS_PER_S)


def local_text(wall_ns: int) -> str:
    """A wall time as this host's clock on the wall shows it, with its offset from UTC.

    Digits are cut, not rounded: no moment is shown later than it was.
    """
    moment = datetime.fromtimestamp(wall_ns // NS_PER_S).astimezone()
    milliseconds = wall_ns % NS_PER_S // 1_000_000
    return moment.replace(microsecond=milliseconds * 1000).isoformat(" ", "milliseconds")
