"""Starts the processes of a station, restarts what falls over or hangs, stops them in order."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from contract.backoff import BackOff
from contract.clock import Clock, SystemClock
from contract.errors import EXIT_OK, EXIT_PERMANENT, FlawlineError
from contract.process import Every
from contract.reasons import RestartReason
from flawline.station.child import Child, told_to_end
from flawline.station.member import Failure, Member, State, by_stage
from flawline.station.processes import ProcessSpec, Stage
from flawline.station.vitals import START_LIMIT_S

HEALTHY_AFTER_S = 60.0
POLL_S = 0.05
KILL_LIMIT_S = 10.0
TELL_S = 5.0

log = logging.getLogger(__name__)


class _NotStarted(FlawlineError):
    """A process that was to start did not."""


class Supervisor:
    """Use as a context manager: leaving it stops every process, in order.

    Args:
        specs: what to run.
        log_directory: a file per process instead of `stderr`.
        stderr: where processes log; None: where this process does.
        log_level: passed on.
        clock: for back-off and silence.
        hurried: whether a stop is to give up what is not done.
        on_turn: is called all the while when starting, reloading and stopping takes its time.
    """

    def __init__(
        self,
        specs: Iterable[ProcessSpec],
        *,
        log_directory: Path | None = None,
        stderr: int | None = None,
        log_level: str = "info",
        clock: Clock | None = None,
        hurried: Callable[[], bool] = lambda: False,
        on_turn: Callable[[], object] = lambda: None,
    ) -> None:
        self._clock = clock or SystemClock()
        self._members = [self._member(spec) for spec in specs]
        self._log_directory = log_directory
        self._stderr = stderr
        self._log_level = log_level
        self._hurried = hurried
        self._on_turn = on_turn
        self._closing = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self, *, stopping: Callable[[], bool] = lambda: False) -> None:
        """Start everything; returns when sinks and scorer are ready, or `stopping` says so.

        A camera may take its time: it is tended like any other.

        Raises:
            FlawlineError: a process ended, or was not ready in five minutes.
        """
        for members in by_stage(self._members, starting=True):
            self._start(members, stopping)

    def tend(self) -> None:
        """Look after the processes once: note who ended or hangs, restart who may heal.

        Raises:
            FlawlineError: the scorer or the sinks cannot work without a person.
        """
        for member in self._members:
            if member.child is not None:
                self._look(member, member.child)
            elif member.start_due_s is not None and not self._closing:
                if self._clock.monotonic_s() >= member.start_due_s:
                    self._spawn(member)

    def reload(
        self, specs: Iterable[ProcessSpec], *, stopping: Callable[[], bool] = lambda: False
    ) -> list[str]:
        """Run `specs` from now on; what was done, in words.

        What is unchanged goes on, unless it was down. The others are stopped from the cameras on
        and started from the sinks on. One that does not start is told, and leaves the others alone;
        it is tried again if that may help.
        """
        wanted = {spec.name: spec for spec in specs}
        known = {member.spec.name: member for member in self._members}
        added = [self._member(spec) for name, spec in wanted.items() if name not in known]
        removed = [member for name, member in known.items() if name not in wanted]
        changed = [
            member
            for name, member in known.items()
            if name in wanted and (member.spec != wanted[name] or member.is_down)
        ]
        for members in by_stage([*removed, *changed], starting=False):
            self._stop(members)
        for member in known.values():
            member.spec = wanted.get(member.spec.name, member.spec)
            if member.child is not None:
                member.child.vitals.hung_after_s = member.spec.hung_after_s
        self._members = [*(m for m in known.values() if m not in removed), *added]
        done = [f"{member.spec.name}: stopped" for member in removed]
        for members in by_stage([*changed, *added], starting=True):
            try:
                self._start(members, stopping)
            except _NotStarted as error:
                log.error("%s", error)
                done.append(f"problem: {error}")
                for member in members:
                    if member.exit_code not in (None, EXIT_OK, EXIT_PERMANENT):
                        member.may_heal = True
                        self._restart_later(member, "did not start", RestartReason.EXITED)
            else:
                done += [
                    f"{m.spec.name}: {'restarted' if m in changed else 'started'}" for m in members
                ]
        return done

    @property
    def finished(self) -> bool:
        """Whether every camera has come to its end, or will never come up."""
        return all(
            member.exit_code in (EXIT_OK, EXIT_PERMANENT)
            for member in self._members
            if member.spec.stage is Stage.INGEST
        )

    @property
    def failures(self) -> list[Failure]:
        """Processes that ended for good with an error."""
        return [
            Failure(member.spec.name, member.why)
            for member in self._members
            if member.exit_code not in (None, EXIT_OK)
        ]

    @property
    def failed(self) -> list[str]:
        """Their names."""
        return [failure.process for failure in self.failures]

    @property
    def restarts(self) -> int:
        """Restarts so far, of all processes."""
        return sum(member.restarts.total() for member in self._members)

    def states(self) -> dict[str, State]:
        """How each process is."""
        return {member.spec.name: member.state for member in self._members}

    def process_ids(self) -> dict[str, int]:
        """Process id of each process that runs."""
        return {m.spec.name: m.child.process_id for m in self._members if m.child is not None}

    def stop(self) -> None:
        """Stop cameras, then scorer, sinks and guard, so that nothing in flight is lost.

        Each gets the time it needs, as long as it gets on.
        """
        self._closing = True
        for members in by_stage(self._members, starting=False):
            self._stop(members)

    def _member(self, spec: ProcessSpec) -> Member:
        return Member(spec, BackOff(self._clock, forgiven_after_s=HEALTHY_AFTER_S))

    def _spawn(self, member: Member) -> None:
        with ExitStack() as stack:
            member.child = Child(
                member.spec,
                self._clock,
                restarts=member.restarts,
                log_level=self._log_level,
                stderr=self._log_file(member, stack) or self._stderr,
            )
        member.exit_code = member.start_due_s = None
        member.back_off.works()

    def _log_file(self, member: Member, stack: ExitStack) -> IO[bytes] | None:
        if self._log_directory is None:
            return None
        self._log_directory.mkdir(parents=True, exist_ok=True)
        return stack.enter_context(self._log_path(self._log_directory, member).open("ab"))

    def _log_path(self, directory: Path, member: Member) -> Path:
        return directory / f"{member.spec.name.replace(' ', '-')}.log"

    def _start(self, members: Sequence[Member], stopping: Callable[[], bool]) -> None:
        """Start `members`, which are of one stage, and wait for those that others need."""
        for member in members:
            member.was_ready = member.may_heal = False
            self._spawn(member)
        if all(member.spec.stage is Stage.INGEST for member in members):
            return
        deadline_s = self._clock.monotonic_s() + START_LIMIT_S
        while not stopping() and not all(m.child is not None and m.child.ready for m in members):
            self._turn()
            for member in members:
                if member.exit_code is not None:
                    raise _NotStarted(
                        f"{member.spec.name} did not start (exit code {member.exit_code})",
                        member.why,
                    )
            if self._clock.monotonic_s() > deadline_s:
                late = ", ".join(m.spec.name for m in members if not m.was_ready)
                raise _NotStarted(f"{late} not ready after {START_LIMIT_S:.0f} s")

    def _stop(self, members: Sequence[Member]) -> None:
        """Have `members` finish what they have in hand, and wait until they have ended."""
        for member in members:
            member.start_due_s = None
            if member.child is not None:
                member.child.tell_to_stop()
        tell = Every(TELL_S, self._clock)
        tell.due()
        while running := [(m, m.child) for m in members if m.child is not None]:
            for member, child in running:
                if self._hurried() and not child.vitals.is_hurried:
                    child.tell_to_hurry()
                if child.killed_s is not None and self._since_s(child.killed_s) > KILL_LIMIT_S:
                    log.error("%s cannot be killed, left behind", member.spec.name)
                    member.child, member.exit_code, member.why = None, 1, "cannot be killed"
            if tell.due():
                waits = [f"{m.spec.name} ({child.beat.left} left)" for m, child in running]
                log.info("finishing: %s; Ctrl-C (again) gives up what is left", ", ".join(waits))
            self._turn()

    def _turn(self) -> None:
        self.tend()
        self._on_turn()
        time.sleep(POLL_S)

    def _since_s(self, moment_s: float) -> float:
        return self._clock.monotonic_s() - moment_s

    def _look(self, member: Member, child: Child) -> None:
        code = child.poll()
        member.was_ready = member.was_ready or child.ready
        if code is not None:
            member.child = None
            self._ended(member, child, code)
        elif child.killed_s is None and (ailment := child.vitals.ailment()) is not None:
            log.error("%s: %s: killed", member.spec.name, ailment)
            child.kill()

    def _ended(self, member: Member, child: Child, code: int) -> None:
        name, is_camera = member.spec.name, member.spec.stage is Stage.INGEST
        hung = child.killed_s is not None
        if child.vitals.is_told and told_to_end(code) and not child.ready:
            code = EXIT_OK  # told to stop before it could listen
        member.why = child.beat.error or self._last_line(member) or f"exit code {code}"
        if code == EXIT_OK and (child.beat.finished or child.vitals.is_told):
            member.exit_code = EXIT_OK
        elif child.vitals.is_told or self._closing:
            log.error("%s ended with exit code %d", name, code)
            member.exit_code = code
        elif code == EXIT_PERMANENT:
            member.exit_code = code
            if not is_camera and member.was_ready:
                raise FlawlineError(f"{name} ended and cannot work without a person", member.why)
        elif member.was_ready or member.may_heal or is_camera:
            self._restart_later(
                member,
                f"ended (exit code {code})",
                RestartReason.HUNG if hung else RestartReason.EXITED,
            )
        else:
            member.exit_code = code

    def _restart_later(self, member: Member, how: str, reason: str) -> None:
        delay_s = member.back_off.failed()
        member.exit_code = None
        member.start_due_s = self._clock.monotonic_s() + delay_s
        member.restarts[reason] += 1
        log.warning(
            "%s %s, starts again in %.1f s (restarts so far: %s)",
            member.spec.name,
            "hung" if reason == RestartReason.HUNG else how,
            delay_s,
            ", ".join(f"{count} {reason}" for reason, count in member.restarts.items()),
        )

    def _last_line(self, member: Member) -> str:
        """The end of its log, of a process that could say nothing else."""
        if self._log_directory is None:
            return ""
        text = self._log_path(self._log_directory, member).read_text("utf-8", errors="replace")
        return next(iter(reversed(text.strip().splitlines())), "")
