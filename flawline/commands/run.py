"""`flawline run`: a station from its configuration, until told to stop or at its end."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from contract.clock import SystemClock
from contract.config_file import load_config
from contract.errors import EXIT_OK, EXIT_RECOVERABLE
from contract.notify import Notifier
from contract.process import configure_logging
from flawline.options import DEFAULT_CONFIG
from flawline.station.stop import StopRequest
from flawline.station.supervisor import Supervisor, processes_of

TEND_S = 0.1


def run(
    config: Annotated[Path, typer.Argument(help="Configuration file (YAML).")] = DEFAULT_CONFIG,
    log_level: Annotated[
        Literal["debug", "info", "warning"], typer.Option(help="How much the processes say.")
    ] = "info",
) -> None:
    """Run a station: start its processes, restart what falls over, stop cleanly on Ctrl-C.

    Ends by itself when every camera is a file or folder that came to its end.
    """
    raise typer.Exit(run_station(config, log_level=log_level))


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
    with (
        Supervisor(specs, log_level=log_level) as supervisor,
        Notifier(os.environ, SystemClock()) as systemd,
    ):
        supervisor.start(stopping=stop)
        if not stop():
            systemd.ready()
            typer.echo(f"station {config.station} runs; Ctrl-C stops it", err=True)
        while not stop.wait(TEND_S) and not supervisor.finished:
            supervisor.tend()
            systemd.alive()
    if supervisor.failed:
        typer.echo(f"ended with errors: {', '.join(supervisor.failed)}", err=True)
        return EXIT_RECOVERABLE
    return EXIT_OK
