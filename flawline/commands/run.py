"""`flawline run`: a station from its configuration, until told to stop or at its end."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from contract.clock import SystemClock
from contract.config_file import load_config
from contract.errors import EXIT_OK, EXIT_RECOVERABLE, StorageError
from contract.notify import Notifier
from contract.process import configure_logging
from flawline.options import DEFAULT_CONFIG, ConfigPath
from flawline.station.display import Display
from flawline.station.presence import Presence, StationNote
from flawline.station.station import Station
from flawline.station.stop import ReloadRequest, StopRequest

TEND_S = 0.1

log = logging.getLogger(__name__)


def run(
    config: ConfigPath = DEFAULT_CONFIG,
    log_level: Annotated[
        Literal["debug", "info", "warning"], typer.Option(help="How much the processes say.")
    ] = "info",
) -> None:
    """Run a station: start its processes, restart what falls over or hangs, stop on Ctrl-C.

    A stop finishes what is at hand; a second Ctrl-C gives that up. Ends by itself when every
    camera is a file or folder that came to its end.
    """
    raise typer.Exit(run_station(config, log_level=log_level))


def run_station(config_path: Path, *, log_level: str) -> int:
    """Run until a signal, or until every camera has ended; the exit code.

    Raises:
        AddressInUse: a station runs in this run directory already.
        ConfigError: the configuration cannot be used.
        FlawlineError: scorer or sinks cannot work.
    """
    config = load_config(config_path)
    stop = StopRequest()
    reload = ReloadRequest(stop)
    note = StationNote(process_id=os.getpid(), config=config_path.resolve())
    with (
        Presence(config.run_directory, note) as presence,
        Display() as display,
        Notifier(os.environ, SystemClock()) as systemd,
    ):
        configure_logging("flawline", log_level)
        with Station(
            config, config_path, display, stop, log_level=log_level, on_turn=systemd.alive
        ) as station:
            station.start()
            if not stop():
                systemd.ready()
            while not stop.wait(TEND_S) and not station.finished:
                station.tend()
                if reload.taken():
                    done, accepted = station.reload()
                    try:
                        presence.reloaded(done, accepted=accepted)
                    except StorageError as error:
                        log.error("whoever asked for the reload is not answered: %s", error)
            systemd.stopping()
    return EXIT_RECOVERABLE if station.conclude() else EXIT_OK
