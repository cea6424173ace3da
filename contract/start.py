"""How long a process took until it could do its work, phase by phase."""

from __future__ import annotations

import os
import time
from pathlib import Path

from contract.clock import Clock

STARTED_FIELD = 22  # of /proc/PID/stat, see proc(5)


def age_s() -> float:
    """Seconds since the kernel started this process; 0 where it does not tell."""
    try:
        text = Path("/proc/self/stat").read_text(encoding="utf-8")
    except OSError:
        return 0.0
    # The second field is the name, which may have spaces in it.
    after_name = text.rpartition(")")[2].split()
    started_s = int(after_name[STARTED_FIELD - 3]) / os.sysconf("SC_CLK_TCK")
    return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - started_s)


class Start:
    """The phases of a start, as they pass.

    Args:
        clock: measures them.
        age_s: what went before: loading Python and the modules.
    """

    def __init__(self, clock: Clock, *, age_s: float) -> None:
        self._clock = clock
        self._since_s = clock.monotonic_s()
        self._took_s = {"imports": age_s}

    def passed(self, phase: str) -> None:
        """What was done since the last phase was `phase`."""
        now_s = self._clock.monotonic_s()
        self._took_s[phase] = now_s - self._since_s
        self._since_s = now_s

    def __str__(self) -> str:
        phases = ", ".join(f"{phase} {took_s:.1f} s" for phase, took_s in self._took_s.items())
        return f"{sum(self._took_s.values()):.1f} s: {phases}"
