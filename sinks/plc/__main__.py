"""`python -m sinks.plc CONFIG`: guards the PLCs of a station, beside its sinks."""

from __future__ import annotations

import argparse
import sys
import threading

from contract.config import Config
from contract.errors import ConfigError, FlawlineError
from contract.process import HEARTBEAT_S, Shell, run_process
from sinks.plc.guard import Guard


def run(shell: Shell, config: Config, arguments: argparse.Namespace) -> None:
    """Guard until the shell says stop, and then until nothing is left to clear.

    Raises:
        ConfigError: there is nothing to guard.
        FlawlineError: a guard fell over; a new process has to take its place.
    """
    guards = [Guard(each, shell.clock) for each in config.sinks.modbus if each.guard]
    if not guards:
        raise ConfigError("no PLC has a guard", "add one to sinks.modbus, or do not start this")
    stop = threading.Event()
    threads = [
        threading.Thread(target=guard.work, args=[stop], name=guard.name, daemon=True)
        for guard in guards
    ]
    for thread in threads:
        thread.start()
    shell.ready()
    while (alive := [thread for thread in threads if thread.is_alive()]) or not stop.is_set():
        if shell.stopping:
            stop.set()
        elif len(alive) < len(threads):
            raise FlawlineError("the guard of a PLC fell over", "report it with the log")
        if not any(guard.is_stuck for guard in guards):
            shell.beat(
                done=sum(guard.turns for guard in guards),
                states={guard.name: guard.state for guard in guards},
            )
        for thread in alive[:1]:
            thread.join(HEARTBEAT_S / 4)


if __name__ == "__main__":
    sys.exit(run_process("guard", run))
