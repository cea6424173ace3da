"""The time of a station as it is after somebody set the clock of its host."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from contract.clock import NS_PER_S
from contract.timeline import BOOT, NAME, wall_offset_ns


@contextmanager
def begun_before_the_clock_was_set(directory: Path, *, by_s: float) -> Iterator[None]:
    """Hold the time of the station with run directory `directory`, as one of its processes.

    It began before this host's clock was set by so much: tests may not set the clock itself.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (directory / NAME).open("w", encoding="ascii") as file:
        file.write(f"{wall_offset_ns() - round(by_s * NS_PER_S)} {BOOT.read_text()}")
        file.flush()
        fcntl.flock(file, fcntl.LOCK_SH)
        yield
