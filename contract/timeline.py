"""The time that all processes of a station on one host share: a wall clock that does not step.

Whoever sets the clock of a running station must not change what is late. So its processes do not
ask the wall clock again: they take its reading when the station starts, and go on from there by
the kernel's boot clock, which all processes of a host share, which counts while the host sleeps,
and which a time service slews together with the wall clock but nobody can set.

The reading is in a file of the run directory, locked by each process for as long as it runs. One
that starts again, or later, finds it there; the first one after all have ended takes a new one.
"""

from __future__ import annotations

import fcntl
import logging
import os
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from contract.clock import NS_PER_S

NAME: Final = "timeline"
MAX_NOTE_BYTES: Final = 64
BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
READINGS: Final = 5
ASKED_FOR_S: Final = 2.0

log = logging.getLogger(__name__)


class Timeline:
    """A `Clock` whose wall clock goes on evenly. Use as a context manager.

    Where the file cannot be used the process has a timeline of its own, which is the same unless
    the clock was set since the others started; the receivers of its messages will notice.

    Args:
        directory: the station's run directory on this host.
    """

    def __init__(self, directory: Path) -> None:
        self._file: int | None = None
        self._told_s = 0.0
        try:
            self._offset_ns = self._shared(directory)
        except (OSError, ValueError) as error:
            self.close()
            self._offset_ns = wall_offset_ns()
            log.warning(
                "%s cannot be used, this process goes by its own time: %s", directory / NAME, error
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def wall_ns(self) -> int:
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) + self._offset_ns

    def monotonic_s(self) -> float:
        return time.monotonic()

    def step_s(self) -> float:
        """By how much this host's wall clock was set since the timeline began."""
        return (wall_offset_ns() - self._offset_ns) / NS_PER_S

    def tell_step(self, *, beyond_s: float) -> None:
        """Log that the wall clock was set since this last said so."""
        step_s = self.step_s()
        if abs(step_s - self._told_s) > beyond_s:
            self._told_s = step_s
            log.warning(
                "this host's clock was set and stands %+.3f s from the station's time, which goes "
                "on as it was: stop and start the station to take the new time over",
                step_s,
            )

    def _shared(self, directory: Path) -> int:
        """The offset that is noted in the file; whoever has it alone notes it first.

        Raises:
            OSError, ValueError: the file cannot be used, or holds no offset of this host.
        """
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = os.open(directory / NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with suppress(BlockingIOError):
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            note = f"{wall_offset_ns()} {BOOT.read_text()}".encode("ascii")
            os.pwrite(self._file, note, 0)
            os.ftruncate(self._file, len(note))
        # Another may write between the two locks, but nobody once this one is held.
        shared = Retrying(
            retry=retry_if_exception_type(BlockingIOError),
            stop=stop_after_delay(ASKED_FOR_S),
            wait=wait_fixed(ASKED_FOR_S / 100),
            reraise=True,
        )
        shared(fcntl.flock, self._file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        offset_ns, boot = os.pread(self._file, MAX_NOTE_BYTES, 0).decode("ascii").split()
        if boot != BOOT.read_text().strip():
            raise ValueError("another host uses this run directory; each needs one of its own")
        return int(offset_ns)


def wall_offset_ns() -> int:
    """How far the wall clock is ahead of the boot clock now, by the quickest of some readings."""
    return min(_reading() for _ in range(READINGS))[1]


def _reading() -> tuple[int, int]:
    """How long a reading took, and the offset that it found."""
    before_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    wall_ns = time.time_ns()
    after_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    return after_ns - before_ns, wall_ns - (before_ns + after_ns) // 2
