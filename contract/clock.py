"""Time as a dependency, so that state machines can be tested without waiting.

Every `*_ns` in a message is UTC in nanoseconds since the Unix epoch, by the time that the station's
processes share on the host that wrote it (`contract.timeline`). Hosts that share a deadline must be
synchronised (PTP, or NTP within a few milliseconds): latency and lateness are differences of these
stamps, and `contract.offset` measures whether they can be.
"""

from __future__ import annotations

import time
from datetime import datetime
from typing import Protocol

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000


class Clock(Protocol):
    """The two clocks a process may read."""

    def wall_ns(self) -> int:
        """UTC nanoseconds since the Unix epoch; steps with the host's clock if nothing else."""
        ...

    def monotonic_s(self) -> float:
        """Seconds since some fixed moment; never steps."""
        ...


class SystemClock:
    """The clocks of this host: its wall clock steps when it is set."""

    def wall_ns(self) -> int:
        return time.time_ns()

    def monotonic_s(self) -> float:
        return time.monotonic()


def local_text(wall_ns: int) -> str:
    """A wall time as this host's clock on the wall shows it, with its offset from UTC.

    Digits are cut, not rounded: no moment is shown later than it was.
    """
    moment = datetime.fromtimestamp(wall_ns // NS_PER_S).astimezone()
    milliseconds = wall_ns % NS_PER_S // NS_PER_MS
    return moment.replace(microsecond=milliseconds * 1000).isoformat(" ", "milliseconds")
