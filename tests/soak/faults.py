"""The faults: one function each, which does the harm, ends it, and returns."""

from __future__ import annotations

import os
import socket
import sqlite3
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from tests.integration.station import DEADLINE_S
from tests.soak.rig import SUPERVISOR, VICTIMS, Rig

LASTS_S: Final = 10.0
CROWD: Final = 200
PARTS: Final = ("", "-wal", "-shm")


@dataclass(frozen=True)
class Fault:
    """One row of the matrix.

    Attributes:
        inflict: does the harm to the station of a rig.
        needs_small_disk: the station's data must be on a file system of their own.
    """

    name: str
    victim: str
    inflict: Callable[[Rig, str], None]
    needs_small_disk: bool = False


def kill(rig: Rig, victim: str) -> None:
    process = rig.process(victim)
    process.kill()
    _until_ended(rig, victim, process)


def terminate(rig: Rig, victim: str) -> None:
    process = rig.process(victim)
    process.terminate()
    _until_ended(rig, victim, process)


def suspend(rig: Rig, victim: str) -> None:
    """The supervisor may kill it meanwhile, as one that hangs."""
    process = rig.process(victim)
    process.suspend()
    rig.go_on(LASTS_S)
    with suppress(psutil.NoSuchProcess):
        process.resume()


def lock(rig: Rig, victim: str) -> None:
    """As a backup tool may."""
    with closing(sqlite3.connect(rig.store_path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        rig.go_on(LASTS_S)


def delete(rig: Rig, victim: str) -> None:
    """Under another name the witness keeps what was booked until then."""
    kept = rig.store_path.with_name(f"kept-{len(rig.kept)}.db")
    for part in PARTS:
        _beside(kept, part).hardlink_to(_beside(rig.store_path, part))
    for part in PARTS:
        _beside(rig.store_path, part).unlink()
    rig.kept.append(kept)


def truncate(rig: Rig, victim: str) -> None:
    """Cut off the second half of the file; of what it held the witness keeps a copy."""
    kept = rig.store_path.with_name(f"kept-{len(rig.kept)}.db")
    with closing(sqlite3.connect(rig.store_path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with closing(sqlite3.connect(kept)) as copy:
            connection.backup(copy)
    rig.kept.append(kept)
    os.truncate(rig.store_path, rig.store_path.stat().st_size // 2)


def fill(rig: Rig, victim: str) -> None:
    """Leave no room on the file system of the station's data, for a while."""
    ballast = rig.store_path.with_name("ballast")
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    rig.go_on(LASTS_S)
    ballast.unlink()


def crowd(rig: Rig, victim: str) -> None:
    """Many clients that never finish what they ask."""
    port = rig.station.config.sinks.metrics.port
    with ExitStack() as stack:
        for _ in range(CROWD):
            with suppress(OSError):
                client = socket.create_connection(("127.0.0.1", port), timeout=1.0)
                stack.enter_context(client).sendall(b"GET /metrics HTTP/1.1\r\nX-Slow: ")
        rig.go_on(LASTS_S)


def _until_ended(rig: Rig, victim: str, process: psutil.Process) -> None:
    """Whose child it is must see its end first."""
    if victim == SUPERVISOR:
        rig.station.until_exit()
    else:
        process.wait(DEADLINE_S)


def _beside(path: Path, part: str) -> Path:
    return path.with_name(path.name + part)


FAULTS: Final = (
    *(
        Fault(name, victim, inflict)
        for name, inflict in (("SIGKILL", kill), ("SIGSTOP 10 s", suspend), ("SIGTERM", terminate))
        for victim in VICTIMS
    ),
    Fault("locked 10 s", "store", lock),
    Fault("deleted", "store", delete),
    Fault("truncated", "store", truncate),
    Fault("full 10 s", "store", fill, needs_small_disk=True),
    Fault(f"{CROWD} clients that do not finish, 10 s", "/metrics", crowd),
)
"""The rows, in the order of a round: the supervisor's end forgives what the others had to wait."""
