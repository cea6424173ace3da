"""A whole station as a user runs it: `flawline run CONFIG` and its processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import psutil
import yaml

from contract.config import Config
from contract.config_file import load_config
from contract.messages import SCORED, Outcome
from sinks.store.audit import Audit
from sinks.store.event import Event
from sinks.store.store import Store

DEADLINE_S = 150.0
POLL_S = 0.05


class Station:
    """Writes a configuration into `directory` and runs it. Use as a context manager, also again.

    Args:
        directory: short enough for ipc sockets.
        lines: the `lines` of the configuration.
        more: other top-level keys.
        working_directory: where the command is typed.
        environment: variables beside those of the tests.
    """

    def __init__(
        self,
        directory: Path,
        lines: list[dict[str, Any]],
        more: Mapping[str, Any] | None = None,
        *,
        working_directory: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.config_path = directory / "station.yaml"
        self._working_directory = working_directory
        document = {
            "station": "test",
            "data_directory": str(directory / "data"),
            "network": {"directory": str(directory / "run")},
            "lines": lines,
            **(more or {}),
        }
        self.config_path.write_text(yaml.safe_dump(document))
        self.config: Config = load_config(self.config_path)
        self._environment = environment or {}
        self._log_path = directory / "log.txt"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self._log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "flawline", "run", "-c", str(self.config_path)],
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._working_directory,
                env={**os.environ, **self._environment},
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._running.poll() is None:
            self.stop()
        if error is not None:
            print(self.log)

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    @property
    def log(self) -> str:
        """All that the processes printed so far."""
        return self._log_path.read_text()

    def stop(self) -> int:
        """Ask the station to stop as Ctrl-C does; its exit code."""
        self.interrupt()
        return self.until_exit()

    def until_exit(self, meanwhile: Callable[[], object] = lambda: None) -> int:
        """Wait for the end, calling `meanwhile` again and again; the exit code."""
        deadline_s = time.monotonic() + DEADLINE_S
        while not self._ended_within(POLL_S):
            meanwhile()
            assert time.monotonic() < deadline_s, f"did not end\n{self.log}"
        return self._running.wait()

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Wait until `condition`; fail after a deadline, or when the station ends before."""
        deadline_s = time.monotonic() + DEADLINE_S
        while not condition():
            ended = self._ended_within(POLL_S)
            if ended or time.monotonic() > deadline_s:
                raise AssertionError(
                    f"{'ended' if ended else 'too late'} before: {what}\n{self.log}"
                )

    def _ended_within(self, seconds: float) -> bool:
        try:
            self._running.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    @property
    def supervisor(self) -> psutil.Process:
        """`flawline run` itself."""
        return psutil.Process(self._running.pid)

    @property
    def has_ended(self) -> bool:
        """Whether `flawline run` is over."""
        return self._running.poll() is not None

    def send(self, number: signal.Signals, process: str) -> int:
        """Send a signal to `scorer`, `sinks` or an `ingest`, once it runs; its process id."""
        self.until(lambda: self.process_ids(process), f"{process} runs")
        [victim, *_] = self.process_ids(process)
        os.kill(victim, number)
        return victim

    def process_ids(self, process: str) -> list[int]:
        """The processes of this station that run `process`."""
        children = self.supervisor.children()
        return [child.pid for child in children if _runs(child, process)]

    def interrupt(self) -> None:
        """As Ctrl-C does, once."""
        self._running.send_signal(signal.SIGINT)

    def counts(self) -> Counter[Outcome]:
        """Frames per outcome so far, over all books."""
        return sum((audit.book.counts for audit in self.audits()), Counter[Outcome]())

    def audits(self) -> list[Audit]:
        """Every book, recounted."""
        if "station test runs" not in self.log:
            return []
        with Store.open_existing(self.config.store_url) as store:
            return list(store.audit())

    def events(self, **which: Any) -> list[Event]:
        """Stored events."""
        with Store.open_existing(self.config.store_url) as store:
            return list(store.events(**which))

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples that carry `labels`, scraped now."""
        port = self.config.sinks.metrics.port
        text = httpx.get(f"http://127.0.0.1:{port}/metrics").raise_for_status().text
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        return sum(
            float(row.rsplit(" ", 1)[1])
            for row in text.splitlines()
            if row.split("{")[0].split(" ")[0] == name and all(each in row for each in wanted)
        )


def _runs(child: psutil.Process, process: str) -> bool:
    try:
        return child.cmdline()[1:4] == ["-P", "-m", process]
    except psutil.NoSuchProcess:
        return False


def ledger(station: Station, *options: str) -> subprocess.CompletedProcess[str]:
    """What `flawline ledger` says of the station's book."""
    command = [sys.executable, "-P", "-m", "flawline", "ledger", "-c", str(station.config_path)]
    return subprocess.run(
        [*command, *options],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )


def scored(station: Station) -> int:
    counts = station.counts()
    return sum(counts[outcome] for outcome in SCORED)


def require_sound(station: Station) -> None:
    """Every book balances, and no frame has two outcomes."""
    audits = station.audits()
    assert audits
    assert all(audit.agrees and audit.book.balanced for audit in audits)
    frames = [(event.camera, event.epoch, event.frame_id) for event in station.events()]
    assert len(frames) == len(set(frames))


def runs_anew(station: Station, process: str, before: int) -> bool:
    return station.process_ids(process) not in ([], [before])


def has_scored(station: Station, count: int) -> bool:
    return scored(station) >= count
