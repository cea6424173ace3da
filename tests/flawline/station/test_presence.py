"""A running station is found, a dead one is not, and two do not share a folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from contract.errors import AddressInUse, FlawlineError
from flawline.station.presence import Presence, StationNote, running_in

NOTE = StationNote(process_id=os.getpid(), config=Path("/etc/flawline/station.yaml"))

HOLDS = """
import os, sys
from pathlib import Path
from flawline.station.presence import StationNote, Presence
with Presence(Path(sys.argv[1]), StationNote(process_id=os.getpid(), config=Path("x.yaml"))):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_it_is_found_while_it_runs_and_not_after(short_directory: Path) -> None:
    directory = short_directory / "run"
    with Presence(directory, NOTE) as presence:
        assert running_in(directory) == NOTE
        presence.reloaded(["scorer: restarted"], accepted=True)
        found = running_in(directory)
        assert (found.reloads, found.accepted, found.done) == (1, True, ("scorer: restarted",))
        with pytest.raises(AddressInUse, match=r"a station runs in .* already"):
            Presence(directory, NOTE).__enter__()
        assert running_in(directory).reloads == 1
    with pytest.raises(FlawlineError, match="no station runs in"):
        running_in(directory)


def test_the_remains_of_a_killed_one_are_no_station(short_directory: Path) -> None:
    directory = short_directory / "run"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        assert running_in(directory).process_id == process.pid
        process.send_signal(signal.SIGKILL)
    assert (directory / "station.json").exists()
    with pytest.raises(FlawlineError, match="no station runs in"):
        running_in(directory)
    with Presence(directory, NOTE):
        assert running_in(directory) == NOTE


def test_without_a_folder_there_is_no_station(tmp_path: Path) -> None:
    with pytest.raises(FlawlineError, match="no station runs in"):
        running_in(tmp_path / "nowhere")
