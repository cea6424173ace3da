"""`python -m sinks.plc CONFIG`: guards the PLCs of a station, beside its sinks."""

from __future__ import annotations

import argparse
import sys
import threading
from collections.abc import Sequence

from contract.clock import Clock
from contract.config import Config
from contract.errors import FlawlineError
from contract.process import HEARTBEAT_S, Shell, run_process
from sinks.plc.guard import Guard

STUCK_S = 5.0  # beyond the time-outs of one look


def run(shell: Shell, config: Config, arguments: argparse.Namespace) -> None:
    """Guard until the shell says stop, and then until nothing is left to clear.

    Raises:
        FlawlineError: a guard fell over; a new process has to take its place.
    """
    guards = [Guard(each, shell.clock) for each in config.sinks.modbus if each.guard]
    stop = threading.Event()
    threads = [
        threading.Thread(target=guard.work, args=[stop], name=guard.name, daemon=True)
        for guard in guards
    ]
    for thread in threads:
        thread.start()
    shell.ready()
    longest_s = max((each.timeout_s for each in config.sinks.modbus), default=0.0)
    turning = _Turning(shell.clock, stuck_s=STUCK_S + 4 * longest_s)
    while any(thread.is_alive() for thread in threads):
        if shell.stopping:
            stop.set()
        elif not all(thread.is_alive() for thread in threads):
            raise FlawlineError("the guard of a PLC fell over", "report it with the log")
        turns = [guard.turns for guard in guards]
        if turning.moved(turns):
            shell.beat(done=sum(turns), states={guard.name: guard.state for guard in guards})
        threads[0].join(HEARTBEAT_S / 4)


class _Turning:
    """Whether each of several counters has moved of late: one that is stuck is a guard that is."""

    def __init__(self, clock: Clock, *, stuck_s: float) -> None:
        self._clock = clock
        self._stuck_s = stuck_s
        self._moved_s: dict[int, tuple[int, float]] = {}

    def moved(self, counters: Sequence[int]) -> bool:
        now_s = self._clock.monotonic_s()
        for place, count in enumerate(counters):
            if self._moved_s.get(place, (-1, 0.0))[0] != count:
                self._moved_s[place] = count, now_s
        return all(now_s - since_s < self._stuck_s for _, since_s in self._moved_s.values())


if __name__ == "__main__":
    sys.exit(run_process("guard", run))
