"""The process shell: signals, readiness, heartbeat, exit codes. The same for all processes.

A process body is `body(shell, config, arguments)`. It calls `shell.ready()` once it can work,
polls `shell.stopping` in its main loop (at least ten times a second), drains what it holds, and
returns. It calls `shell.beat()` on every turn of that loop, or is taken for hung. Exit codes: 0
done, 1 may heal (restart), 2 will not heal without a person (do not).
"""

from __future__ import annotations

import argparse
import getpass
import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import FrameType

from contract.beat import MAX_ERROR_CHARACTERS, NOTHING, Beat, BeatWriter
from contract.clock import Clock, SystemClock
from contract.config import Config
from contract.config_file import load_config
from contract.descriptors import ensure_enough
from contract.errors import EXIT_OK, EXIT_PERMANENT, EXIT_RECOVERABLE, FlawlineError
from contract.reasons import RestartReason
from contract.redact import RedactingFormatter, redact
from contract.start import Start, age_s
from contract.timeline import Timeline

HEARTBEAT_S = 0.2
STEP_LOOK_S = 10.0
TOLD_STEP_S = 0.1
PRIVATE_UMASK = 0o077  # events and pictures may show people and what a plant makes
POLL_MS = 50

log = logging.getLogger(__name__)


def software_version() -> str:
    """The version of the installed distribution."""
    try:
        return version("flawline")
    except PackageNotFoundError:
        return "unknown"


class Every:
    """A due-date that comes round: true at most once per period."""

    def __init__(self, period_s: float, clock: Clock) -> None:
        self._period_s = period_s
        self._clock = clock
        self._due_s = clock.monotonic_s()

    def due(self) -> bool:
        """Whether a period has passed since this last said so; the first call says so."""
        now_s = self._clock.monotonic_s()
        if now_s < self._due_s:
            return False
        self._due_s = now_s + self._period_s
        return True


class Shell:
    """What a process body may ask of its surroundings.

    Attributes:
        clock: the station's time on this host, once it is known which station.
        restarts: how often the supervisor started this process again, per reason; None: there is
            no supervisor.
        start: where the time until `ready` goes.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        ready_fd: int | None = None,
        beat_fd: int | None = None,
        parent_pid: int | None = None,
        restarts: Mapping[str, int] | None = None,
    ) -> None:
        self.clock = clock
        self.restarts = restarts
        self._is_ready = False
        self.start = Start(clock, age_s=age_s())
        self._ready_fd = ready_fd
        self._beats = BeatWriter(beat_fd)
        self._beat_due = Every(HEARTBEAT_S, clock)
        self._step_due = Every(STEP_LOOK_S, clock)
        self._timeline: Timeline | None = None
        self._parent_pid = parent_pid
        self._stop_signals = 0
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._stop_signals += 1

    @property
    def stopping(self) -> bool:
        """Whether to drain and return: a signal came, or the supervisor died."""
        return self._stop_signals > 0 or self.orphaned

    @property
    def orphaned(self) -> bool:
        """Whether the supervisor died: all processes of the station end now, in no order."""
        return self._parent_pid is not None and os.getppid() != self._parent_pid

    @property
    def hurried(self) -> bool:
        """Whether to give up what is not done: a second signal came."""
        return self._stop_signals > 1

    def go_by(self, timeline: Timeline) -> None:
        """Take this for the clock from now on."""
        self.clock = self._timeline = timeline

    def clock_step_s(self) -> float:
        """By how much this host's wall clock was set since the station's time began."""
        return 0.0 if self._timeline is None else self._timeline.step_s()

    def ready(self) -> None:
        """Tell the supervisor, once, that this process does its work; log how long that took."""
        if not self._is_ready:
            self._is_ready = True
            self.start.passed("the rest")
            log.info("ready after %s", self.start)
        if self._ready_fd is not None:
            os.write(self._ready_fd, b"ready\n")
            os.close(self._ready_fd)
            self._ready_fd = None

    def beat(self, *, done: int, left: int = 0, states: Mapping[str, str] = NOTHING) -> None:
        """Tell the supervisor, at most every `HEARTBEAT_S`, that the main loop turns.

        Only the main loop may call this: from anywhere else it would hide that it hangs.
        """
        if self._beat_due.due():
            self._beats.write(Beat(done=done, left=left, states=states))
        if self._timeline is not None and self._step_due.due():
            self._timeline.tell_step(beyond_s=TOLD_STEP_S)

    def finished(self) -> None:
        """Tell the supervisor that this process ends because nothing is left to do, ever."""
        self._beats.write(Beat(finished=True))

    def last_word(self, text: str) -> None:
        """Tell the supervisor why this process ends."""
        self._beats.write(Beat(error=redact(text)[:MAX_ERROR_CHARACTERS]))


Body = Callable[[Shell, Config, argparse.Namespace], None]


def configure_logging(process: str, level: str) -> None:
    """Log to standard error, redacted, one line per record."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        RedactingFormatter(f"%(asctime)s %(levelname)-7s {process}: %(message)s", "%H:%M:%S")
    )
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


def user() -> str:
    """Who enrolls; a number where the account has no name, as in some containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def run_process(
    name: str,
    body: Body,
    argv: Sequence[str] | None = None,
    *,
    add_arguments: Callable[[argparse.ArgumentParser], None] = lambda parser: None,
) -> int:
    """Run `body` as process `name` with the command line `argv`; the exit code."""
    parser = argparse.ArgumentParser(prog=f"python -m {name}")
    parser.add_argument("config", type=Path, help="configuration file (YAML)")
    parser.add_argument("--log-level", default="info", choices=["debug", "info", "warning"])
    parser.add_argument("--ready-fd", type=int, help="file descriptor that gets `ready`")
    parser.add_argument("--beat-fd", type=int, help="file descriptor that gets a line per beat")
    parser.add_argument("--supervised-by", type=int, help="stop when this parent process dies")
    for reason in RestartReason:
        parser.add_argument(
            f"--{reason}", type=int, default=0, help=f"restarts so far because it {reason}"
        )
    add_arguments(parser)
    arguments = parser.parse_args(argv)
    os.umask(PRIVATE_UMASK)
    ensure_enough()
    configure_logging(name, arguments.log_level)
    shell = Shell(
        clock=SystemClock(),
        ready_fd=arguments.ready_fd,
        beat_fd=arguments.beat_fd,
        parent_pid=arguments.supervised_by,
        restarts=_restarts(arguments),
    )
    try:
        config = load_config(arguments.config)
        shell.start.passed("configuration")
        with Timeline(config.run_directory) as timeline:
            shell.go_by(timeline)
            body(shell, config, arguments)
    except FlawlineError as error:
        shell.last_word(str(error))
        log.error("%s", redact(str(error)))
        log.debug("raised here", exc_info=True)
        return error.exit_code
    except Exception as error:
        shell.last_word(f"unexpected error: {type(error).__name__}: {error}")
        log.exception("unexpected error, process ends")
        return EXIT_RECOVERABLE
    return EXIT_OK


def _restarts(arguments: argparse.Namespace) -> dict[str, int] | None:
    if arguments.supervised_by is None:
        return None
    return {reason: getattr(arguments, reason) for reason in RestartReason}


__all__ = [
    "EXIT_OK",
    "EXIT_PERMANENT",
    "EXIT_RECOVERABLE",
    "HEARTBEAT_S",
    "POLL_MS",
    "Every",
    "Shell",
    "configure_logging",
    "run_process",
    "software_version",
    "user",
]
