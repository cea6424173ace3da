"""Starts the processes of a station, restarts what falls over, stops them in pipeline order."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from contract.clock import Clock, SystemClock
from contract.config import Config
from contract.errors import EXIT_OK, EXIT_PERMANENT, FlawlineError

FIRST_DELAY_S = 0.5
MAX_DELAY_S = 30.0
HEALTHY_AFTER_S = 60.0
READY_TIMEOUT_S = 300.0
STOP_TIMEOUT_S = 20.0
POLL_S = 0.05

log = logging.getLogger(__name__)


class Stage(IntEnum):
    """Place in the pipeline. Started from the last to the first, stopped from the first."""

    INGEST = 0
    SCORER = 1
    SINKS = 2


@dataclass(frozen=True)
class ProcessSpec:
    """One process to run."""

    name: str
    stage: Stage
    arguments: tuple[str, ...]


def processes_of(config: Config, config_path: Path) -> tuple[ProcessSpec, ...]:
    """The processes of a station: sinks, scorer, and an ingest for each camera."""
    path = str(config_path)
    return (
        ProcessSpec("sinks", Stage.SINKS, ("-m", "sinks", path)),
        ProcessSpec("scorer", Stage.SCORER, ("-m", "scorer", path)),
        *(
            ProcessSpec(
                f"ingest {camera.name}",
                Stage.INGEST,
                ("-m", "ingest", path, "--camera", camera.name),
            )
            for _, camera in config.cameras()
        ),
    )


class RestartPolicy:
    """Half a second, doubling to thirty, forgiven after a minute of health."""

    def __init__(self) -> None:
        self._delay_s = FIRST_DELAY_S
        self._started_s = 0.0

    def started(self, now_s: float) -> None:
        """Note that the process started."""
        self._started_s = now_s

    def ended(self, now_s: float) -> float:
        """Seconds to wait before the next start."""
        if now_s - self._started_s >= HEALTHY_AFTER_S:
            self._delay_s = FIRST_DELAY_S
        delay_s = self._delay_s
        self._delay_s = min(MAX_DELAY_S, 2 * self._delay_s)
        return delay_s


@dataclass
class _Child:
    spec: ProcessSpec
    policy: RestartPolicy
    process: subprocess.Popen[bytes] | None = None
    ready_fd: int | None = None
    ready: bool = False
    was_ready: bool = False
    exit_code: int | None = None
    start_due_s: float | None = field(default=0.0)


class Supervisor:
    """Use as a context manager: leaving it stops every process, in order.

    Args:
        specs: what to run.
        log_directory: a file per process instead of this process's standard error.
        log_level: passed on.
        clock: for back-off.
    """

    def __init__(
        self,
        specs: tuple[ProcessSpec, ...],
        *,
        log_directory: Path | None = None,
        log_level: str = "info",
        clock: Clock | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self._children = [_Child(spec, RestartPolicy()) for spec in specs]
        self._log_directory = log_directory
        self._log_level = log_level
        self._files = ExitStack()
        self.restarts = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.stop()
        finally:
            self._files.close()

    def start(self, *, stopping: Callable[[], bool] = lambda: False) -> None:
        """Start everything; returns when sinks and scorer are ready, or `stopping` says so.

        A camera may take its time: it is tended like any other.

        Raises:
            FlawlineError: a process ended, or was not ready in five minutes.
        """
        for stage in sorted(Stage, reverse=True):
            children = [child for child in self._children if child.spec.stage is stage]
            for child in children:
                self._spawn(child)
            if stage is not Stage.INGEST:
                self._await_ready(children, stopping)

    def tend(self) -> None:
        """Look after the children once: note who ended, restart who may heal.

        Raises:
            FlawlineError: the scorer or the sinks cannot work without a person.
        """
        for child in self._children:
            if child.process is not None:
                self._look(child)
            elif child.start_due_s is not None and self._clock.monotonic_s() >= child.start_due_s:
                self.restarts += 1
                self._spawn(child)

    @property
    def finished(self) -> bool:
        """Whether every camera has come to its end, or will never come up."""
        return all(
            child.exit_code in (EXIT_OK, EXIT_PERMANENT)
            for child in self._children
            if child.spec.stage is Stage.INGEST
        )

    @property
    def failed(self) -> list[str]:
        """Names of processes that ended for good with an error."""
        return [c.spec.name for c in self._children if c.exit_code not in (None, EXIT_OK)]

    def stop(self) -> None:
        """Stop cameras, then scorer, then sinks, so that nothing in flight is lost."""
        for stage in sorted(Stage):
            children = [
                child
                for child in self._children
                if child.spec.stage is stage and child.process is not None
            ]
            for child in children:
                if child.process is not None:
                    child.process.send_signal(signal.SIGTERM)
            deadline_s = self._clock.monotonic_s() + STOP_TIMEOUT_S
            for child in children:
                self._await_end(child, deadline_s)

    def process_ids(self) -> dict[str, int]:
        """Process id of each child that runs."""
        return {c.spec.name: c.process.pid for c in self._children if c.process is not None}

    def _spawn(self, child: _Child) -> None:
        read_fd, write_fd = os.pipe()
        os.set_blocking(read_fd, False)
        try:
            child.process = subprocess.Popen(
                [
                    sys.executable,
                    *child.spec.arguments,
                    "--supervised-by",
                    str(os.getpid()),
                    "--ready-fd",
                    str(write_fd),
                    "--log-level",
                    self._log_level,
                ],
                pass_fds=(write_fd,),
                stdin=subprocess.DEVNULL,
                stderr=self._log_file(child),
                # Ctrl-C reaches this process alone, which then stops the others in order.
                start_new_session=True,
            )
        finally:
            os.close(write_fd)
        child.ready_fd, child.ready, child.exit_code = read_fd, False, None
        child.start_due_s = None
        child.policy.started(self._clock.monotonic_s())

    def _log_file(self, child: _Child) -> IO[bytes] | None:
        if self._log_directory is None:
            return None
        self._log_directory.mkdir(parents=True, exist_ok=True)
        path = self._log_directory / f"{child.spec.name.replace(' ', '-')}.log"
        return self._files.enter_context(path.open("ab"))

    def _await_ready(self, children: list[_Child], stopping: Callable[[], bool]) -> None:
        deadline_s = self._clock.monotonic_s() + READY_TIMEOUT_S
        while not stopping():
            for child in children:
                self._look(child)
                if child.exit_code is not None:
                    raise FlawlineError(
                        f"{child.spec.name} did not start (exit code {child.exit_code})",
                        self._where_to_look(child),
                    )
            if all(child.ready for child in children):
                return
            if self._clock.monotonic_s() > deadline_s:
                late = ", ".join(c.spec.name for c in children if not c.ready)
                raise FlawlineError(f"{late} not ready after {READY_TIMEOUT_S:.0f} s")
            time.sleep(POLL_S)

    def _look(self, child: _Child) -> None:
        process = child.process
        if process is None:
            return
        self._read_ready(child)
        if (code := process.poll()) is None:
            return
        self._forget(child)
        if code == EXIT_OK and child.spec.stage is Stage.INGEST:
            child.exit_code = EXIT_OK
        elif code == EXIT_PERMANENT:
            child.exit_code = EXIT_PERMANENT
            if child.spec.stage is not Stage.INGEST and child.was_ready:
                raise FlawlineError(
                    f"{child.spec.name} ended and cannot work without a person",
                    self._where_to_look(child),
                )
        elif child.was_ready or child.spec.stage is Stage.INGEST:
            delay_s = child.policy.ended(self._clock.monotonic_s())
            child.start_due_s = self._clock.monotonic_s() + delay_s
            log.warning(
                "%s ended (exit code %d), starts again in %.1f s", child.spec.name, code, delay_s
            )
        else:
            child.exit_code = code

    def _read_ready(self, child: _Child) -> None:
        if child.ready_fd is None:
            return
        try:
            child.ready = bool(os.read(child.ready_fd, 16))
        except BlockingIOError:
            return
        child.was_ready = child.was_ready or child.ready
        os.close(child.ready_fd)
        child.ready_fd = None

    def _forget(self, child: _Child) -> None:
        child.process = None
        if child.ready_fd is not None:
            os.close(child.ready_fd)
            child.ready_fd = None

    def _await_end(self, child: _Child, deadline_s: float) -> None:
        if child.process is None:
            return
        try:
            code = child.process.wait(max(0.0, deadline_s - self._clock.monotonic_s()))
        except subprocess.TimeoutExpired:
            log.error("%s did not stop in %.0f s, killed", child.spec.name, STOP_TIMEOUT_S)
            child.process.kill()
            code = child.process.wait()
        if code == -signal.SIGTERM and not child.ready:
            code = EXIT_OK  # told to stop before it could listen
        if code != EXIT_OK:
            log.error("%s ended with exit code %d", child.spec.name, code)
            child.exit_code = code
        self._forget(child)

    def _where_to_look(self, child: _Child) -> str:
        if self._log_directory is None:
            return "see its message above"
        path = self._log_directory / f"{child.spec.name.replace(' ', '-')}.log"
        lines = path.read_text("utf-8", errors="replace").strip().splitlines()
        return lines[-1] if lines else f"see {path}"
