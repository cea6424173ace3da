"""One process of a station: started, heard, told to stop, killed. It decides nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from typing import IO

from contract.beat import Beat, BeatReader
from contract.clock import Clock
from contract.reasons import RestartReason
from flawline.station.processes import ProcessSpec
from flawline.station.vitals import Vitals


class Child:
    """A process that runs.

    Its modules come from where this program's come from, never from the working directory, where
    a file may have the name of one of ours.

    Args:
        restarts: how often it was started again, per reason, which it is told.
        stderr: where it logs; None: where this process does.

    Attributes:
        ready: whether it said that it does its work.
        killed_s: when it was killed, if it was.
    """

    def __init__(
        self,
        spec: ProcessSpec,
        clock: Clock,
        *,
        restarts: dict[str, int],
        log_level: str,
        stderr: IO[bytes] | int | None,
    ) -> None:
        self.vitals = Vitals(clock, hung_after_s=spec.hung_after_s)
        self.ready = False
        self.killed_s: float | None = None
        self._clock = clock
        self._ready_fd, ready_end = os.pipe()
        beat_fd, beat_end = os.pipe()
        os.set_blocking(self._ready_fd, False)
        self._beats = BeatReader(beat_fd)
        try:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-P", *spec.arguments),
                    *("--supervised-by", str(os.getpid())),
                    *("--ready-fd", str(ready_end), "--beat-fd", str(beat_end)),
                    *(f"--{reason}={restarts.get(reason, 0)}" for reason in RestartReason),
                    *("--log-level", log_level),
                ],
                pass_fds=(ready_end, beat_end),
                stdin=subprocess.DEVNULL,
                stderr=stderr,
                # Ctrl-C reaches this process alone, which then stops the others in order.
                start_new_session=True,
            )
        except OSError:
            self._close()
            raise
        finally:
            os.close(ready_end)
            os.close(beat_end)

    @property
    def process_id(self) -> int:
        return self._process.pid

    @property
    def beat(self) -> Beat:
        """What it told last."""
        return self.vitals.beat

    def poll(self) -> int | None:
        """Listen; the exit code once it has ended, and all that it said was heard."""
        code = self._process.poll()
        self._listen()
        if code is not None:
            self._close()
        return code

    def tell_to_stop(self) -> None:
        """Ask it to finish what it has in hand."""
        self.vitals.told_to_stop()
        self._process.send_signal(signal.SIGTERM)

    def tell_to_hurry(self) -> None:
        """Ask it to give up what it has in hand. Two signals of one number could become one."""
        self.vitals.told_to_hurry()
        self._process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        """End it; `poll` tells when it has ended."""
        self.killed_s = self._clock.monotonic_s()
        self._process.kill()

    def _listen(self) -> None:
        if not self.ready:
            with suppress(BlockingIOError):
                self.ready = bool(os.read(self._ready_fd, 16))
            if self.ready:
                self.vitals.heard()
        if (beat := self._beats.read()) is not None:
            self.vitals.heard(beat)

    def _close(self) -> None:
        os.close(self._ready_fd)
        self._beats.close()


def told_to_end(code: int) -> bool:
    """Whether a process with exit code `code` was ended by being told to stop."""
    return -code in (signal.SIGTERM, signal.SIGINT)
