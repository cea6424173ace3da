"""`flawline reload`: a running station reads its configuration again."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import typer

from contract.config_file import load_config
from contract.errors import EXIT_OK, EXIT_RECOVERABLE, FlawlineError
from flawline.options import DEFAULT_CONFIG, ConfigPath
from flawline.progress import working
from flawline.screen import Screen
from flawline.station.presence import StationNote, running_in

POLL_S = 0.2
RELOAD_LIMIT_S = 600.0


def reload(
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Have the running station take over its configuration, and say what was restarted.

    A mistake is told and leaves the station as it is. Only processes that read what changed start
    anew: a camera's own settings touch that camera alone.
    """
    raise typer.Exit(reload_station(config))


def reload_station(config_path: Path) -> int:
    """Ask for a reload and wait until it is done; the exit code.

    Raises:
        ConfigError: the new configuration cannot be used.
        FlawlineError: no station runs with it, or it does not answer.
    """
    directory = load_config(config_path).run_directory
    try:
        note = running_in(directory)
    except FlawlineError as error:
        raise FlawlineError(
            error.what,
            f"{error.remedy}; if network.directory is new, stop the station that runs elsewhere",
        ) from None
    if note.config != config_path.resolve():
        raise FlawlineError(
            f"the station that runs there has the configuration {note.config}", "reload that one"
        )
    os.kill(note.process_id, signal.SIGHUP)
    with working("waiting for the station"):
        answer = _await_answer(note, directory)
    for line in answer.done:
        Screen().say(line)
    sound = answer.accepted and not any(line.startswith("problem") for line in answer.done)
    return EXIT_OK if sound else EXIT_RECOVERABLE


def _await_answer(before: StationNote, directory: Path) -> StationNote:
    deadline_s = time.monotonic() + RELOAD_LIMIT_S
    while time.monotonic() < deadline_s:
        note = running_in(directory)
        if note.reloads > before.reloads:
            return note
        time.sleep(POLL_S)
    raise FlawlineError(f"the station did not answer in {RELOAD_LIMIT_S:.0f} s", "see its log")
