"""`flawline run`: a station from its configuration, until told to stop or at its end."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from types import FrameType

import typer

from contract.config_file import load_config
from contract.errors import EXIT_OK, EXIT_RECOVERABLE
from contract.process import configure_logging
from flawline.station.supervisor import Supervisor, processes_of

TEND_S = 0.1


class StopRequest:
    """SIGINT and SIGTERM as a question; a second signal changes nothing."""

    def __init__(self) -> None:
        self._event = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._event.set()

    def __call__(self) -> bool:
        return self._event.is_set()

    def wait(self, seconds: float) -> bool:
        """Whether the request came within `seconds`."""
        return self._event.wait(seconds)


def run_station(config_path: Path, *, log_level: str) -> int:
    """Run until a signal, or until every camera has ended; the exit code.

    Raises:
        ConfigError: the configuration cannot be used.
        FlawlineError: scorer or sinks cannot work.
    """
    configure_logging("flawline", log_level)
    config = load_config(config_path)
    stop = StopRequest()
    specs = processes_of(config, config_path)
    with Supervisor(specs, log_level=log_level) as supervisor:
        supervisor.start(stopping=stop)
        if not stop():
            typer.echo(f"station {config.station} runs; Ctrl-C stops it", err=True)
        while not stop.wait(TEND_S) and not supervisor.finished:
            supervisor.tend()
    if supervisor.failed:
        typer.echo(f"ended with errors: {', '.join(supervisor.failed)}", err=True)
        return EXIT_RECOVERABLE
    return EXIT_OK
