"""A station that runs: its processes, and what is said of them and of its lines."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from contract.clock import Clock
from contract.config import Config
from contract.config_file import load_config
from contract.errors import ConfigError, StorageError
from contract.messages import Outcome
from contract.process import Every
from contract.timeline import Timeline
from flawline.station.accepted import accept, forget
from flawline.station.board import Rates, board
from flawline.station.complaints import AGAIN_S, Complaints, complain
from flawline.station.display import Display
from flawline.station.member import Failure
from flawline.station.processes import processes_of
from flawline.station.stop import StopRequest
from flawline.station.supervisor import Supervisor
from flawline.station.survey import LineFigures, Survey

SHOW_S = 0.5
INGEST = "ingest "

log = logging.getLogger(__name__)


class Station:
    """Use as a context manager: leaving it stops everything, in order.

    `on_turn` is called all the while, also when starting, reloading and stopping takes its time.
    """

    def __init__(
        self,
        config: Config,
        config_path: Path,
        display: Display,
        stop: StopRequest,
        *,
        log_level: str,
        on_turn: Callable[[], object] = lambda: None,
        clock: Clock | None = None,
    ) -> None:
        self._on_turn = on_turn
        # Held here, the time outlasts whatever becomes of the processes.
        self._timeline = Timeline(config.run_directory)
        clock = clock or self._timeline
        self._config = config
        self._config_path = config_path
        self._display = display
        self._stop = stop
        self._supervisor = Supervisor(
            processes_of(config, accept(config)),
            stderr=display.stderr,
            log_level=log_level,
            hurried=self._hurried,
            on_turn=self._turn,
        )
        self._survey = Survey(lambda: self._config, clock)
        self._complaints = Complaints(clock)
        self._trouble_due = Every(AGAIN_S, clock)
        self._rates = Rates()
        self._show_due = Every(SHOW_S, clock)
        self._ends_by_itself = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ends_by_itself = not self._stop()
        self._supervisor.stop()
        forget(self._config)
        self._timeline.close()

    def start(self) -> None:
        """Start the processes.

        Raises:
            FlawlineError: scorer or sinks cannot work.
        """
        self._supervisor.start(stopping=self._stop)
        if not self._stop():
            self._survey.start()
            self._display.say(f"station {self._config.station} runs; Ctrl-C stops it")

    def tend(self) -> None:
        """Look after the processes once, and say what is due.

        Raises:
            FlawlineError: scorer or sinks cannot work any more.
        """
        self._supervisor.tend()
        for sentence in self._complaints_due():
            self._display.say(sentence)
        self._turn()

    @property
    def finished(self) -> bool:
        """Whether every camera has come to its end, or will never come up."""
        return self._supervisor.finished

    def reload(self) -> tuple[list[str], bool]:
        """Read the configuration again; what was done, or why nothing was, and whether it was."""
        try:
            config = load_config(self._config_path)
            _require_same_place(self._config, config)
            accepted = accept(config)
        except (ConfigError, StorageError) as error:
            log.error("configuration refused, the station goes on as it is: %s", error)
            return str(error).splitlines(), False
        self._config = config
        specs = processes_of(config, accepted)
        done = self._supervisor.reload(specs, stopping=self._stop) or ["nothing has changed"]
        for line in done:
            log.info("reloaded: %s", line)
        return done, True

    def conclude(self) -> list[Failure]:
        """Say, after the end, what became of the frames and what failed; what failed."""
        figures, trouble = self._survey.last(), self._survey.trouble
        if trouble:
            self._display.say(f"what became of the last frames is not known: {trouble}")
        if figures is not None:
            for sentence in _summary(figures.lines):
                self._display.say(sentence)
        failures = self._supervisor.failures
        for sentence in _told(failures, num_cameras=len(self._config.cameras())):
            self._display.say(sentence)
        return failures

    def _complaints_due(self) -> list[str]:
        if trouble := self._survey.trouble:
            told = [f"what becomes of the frames is not known: {trouble}"]
            return told if self._trouble_due.due() else []
        if self._survey.newest is None:
            return []
        lines = self._survey.newest.lines
        return self._complaints.update({name: line.totals for name, line in lines.items()})

    def _hurried(self) -> bool:
        """The signal that asked for the stop, if one did, does not ask for haste."""
        return self._stop.hurried or (self._ends_by_itself and self._stop())

    def _turn(self) -> None:
        self._show()
        self._on_turn()

    def _show(self) -> None:
        if not self._display.is_live or not self._show_due.due():
            return
        figures = self._survey.newest
        if figures is not None:
            self._rates.note(figures)
        states, trouble = self._supervisor.states(), self._survey.trouble
        self._display.show(board(self._config, figures, self._rates, states, trouble=trouble))


def _require_same_place(old: Config, new: Config) -> None:
    if old.run_directory != new.run_directory:
        raise ConfigError(
            f"the run directory was {old.run_directory} and would be {new.run_directory}",
            "stop the station and start it there",
        )


def _summary(lines: Mapping[str, LineFigures]) -> list[str]:
    """A sentence per line, and one more per reason why frames were not inspected."""
    told = []
    for name, line in lines.items():
        frames = dict.fromkeys(Outcome, 0)
        for (outcome, _), count in line.totals.items():
            frames[outcome] += count
        counts = ", ".join(f"{count} {outcome}" for outcome, count in frames.items() if count)
        told.append(f"line {name}: {line.totals.total()} frames: {counts or 'none came'}")
        told += complain(name, line.totals, "in all")
    return told


def _told(failures: list[Failure], *, num_cameras: int) -> list[str]:
    """Who failed and why, and that this did not touch the others."""
    told = [_sentence(failure) for failure in failures]
    cameras = sum(failure.process.startswith(INGEST) for failure in failures)
    if cameras and cameras == len(failures) and (others := num_cameras - cameras):
        told.append(
            f"the other {others} camera{'s' if others > 1 else ''} went on; mend the configuration "
            "and `flawline reload` brings a camera back without stopping the others"
        )
    return told


def _sentence(failure: Failure) -> str:
    if not failure.process.startswith(INGEST):
        return f"{failure.process} ended with an error: {failure.why}"
    camera = f"camera {failure.process.removeprefix(INGEST)}"
    return f"{camera} failed: {failure.why.removeprefix(f'{camera}: ')}"
