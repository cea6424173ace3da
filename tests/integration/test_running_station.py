"""A station in trouble: hung processes, a changed configuration, slow models, odd folders."""

from __future__ import annotations

import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from contract.messages import Outcome
from tests.integration.station import Station, has_scored, require_sound, runs_anew, scored
from tests.integration.test_station import line, metrics_on, taught_line, teach
from tests.plc import free_port

HUNG_S = {"ingest_hung_after_s": 6, "scorer_hung_after_s": 20, "sinks_hung_after_s": 6}
ONE_THREAD = {"model": {"num_threads": 1}}

pytestmark = pytest.mark.timeout(600)


def test_files_in_the_working_directory_do_not_run_in_the_place_of_ours(
    short_directory: Path, folder: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in ("ingest", "contract", "yaml", "zmq"):
        (elsewhere / f"{name}.py").write_text(f"raise SystemExit('the wrong {name}')")
    for name in ("scorer", "sinks"):
        (elsewhere / name).mkdir()
        (elsewhere / name / "__init__.py").write_text(f"raise SystemExit('the wrong {name}')")
    station = Station(
        short_directory,
        [line("belt", str(folder), pace="fast")],
        {"sinks": metrics_on(free_port()), "scorer": ONE_THREAD},
        working_directory=elsewhere,
    )
    with station:
        assert station.until_exit() == 0
    assert "wrong" not in station.log
    assert station.counts()[Outcome.UNSCORED] == 6


def test_a_line_without_references_says_so_and_what_to_do(
    short_directory: Path, folder: Path
) -> None:
    station = Station(
        short_directory,
        [line("belt", str(folder), fps=10, loop=True)],
        {"sinks": metrics_on(0), "scorer": ONE_THREAD},
    )
    with station:
        station.until(lambda: "UNSCORED (no_reference) in the last" in station.log, "it is told")
        assert station.stop() == 0
    [told] = [row for row in station.log.splitlines() if "in the last" in row]
    assert told.startswith("line belt: ")
    assert "flawline enroll --line belt" in told
    [summary] = [row for row in station.log.splitlines() if "frames: " in row]
    counted = station.counts()[Outcome.UNSCORED]
    assert summary == f"line belt: {counted} frames: {counted} UNSCORED"


def reloaded(station: Station) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "flawline", "reload", "-c", str(station.config_path)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def rewrite(station: Station, lines: list[dict[str, Any]]) -> None:
    document = yaml.safe_load(station.config_path.read_text())
    station.config_path.write_text(yaml.safe_dump({**document, "lines": lines}))


def test_a_camera_is_mended_by_a_reload_and_the_others_never_stop(
    short_directory: Path, folder: Path
) -> None:
    good = line("good", str(folder), fps=5, loop=True)
    wrong = {"x_px": 0, "y_px": 0, "width_px": 9000, "height_px": 9000}
    bad = line("bad", str(folder), fps=5, loop=True, region=wrong)
    station = Station(
        short_directory, [good, bad], {"sinks": metrics_on(free_port()), "scorer": ONE_THREAD}
    )
    with station:
        station.until(lambda: "does not fit" in station.log, "the camera fails")
        station.until(lambda: station.counts()[Outcome.UNSCORED] > 3, "the other goes on")
        others = [station.process_ids(name) for name in ("sinks", "scorer")]
        ingests = station.process_ids("ingest")

        rewrite(station, [good, {**bad, "deadline_s": -1}])
        refused = reloaded(station)
        assert refused.returncode == 2
        assert "deadline_s" in refused.stderr

        rewrite(station, [good, line("bad", str(folder / "nowhere"), fps=5, loop=True)])
        again = reloaded(station)
        assert "ingest bad-top: restarted" in again.stdout
        assert "ingest good-top" not in again.stdout
        station.until(lambda: "does not exist" in station.log, "it fails for another reason")
        scorer = station.process_ids("scorer")
        assert scorer != others[1], "the scorer knows regions"

        rewrite(station, [good, line("bad", str(folder), fps=5, loop=True)])
        mended = reloaded(station)
        assert (mended.returncode, mended.stdout) == (0, "ingest bad-top: restarted\n")
        station.until(lambda: station.process_ids("ingest")[1:], "both cameras run")
        assert ingests[0] in station.process_ids("ingest")
        assert station.process_ids("sinks") == others[0]
        assert station.process_ids("scorer") == scorer
        bad_lines = [audit.book.key.line for audit in station.audits() if audit.book.admitted]
        station.until(
            lambda: "bad" in [a.book.key.line for a in station.audits() if a.book.admitted],
            f"frames of the mended camera, not only of {bad_lines}",
        )

        camera = {"line": "bad", "camera": "bad-top"}
        assert station.metric("flawline_camera_expected", **camera) == 1
        rewrite(station, [good])
        gone = reloaded(station)
        assert "ingest bad-top: stopped" in gone.stdout
        assert station.metric("flawline_camera_expected", **camera) == 0, "no alarm about it"
        assert station.metric("flawline_camera_expected", line="good") == 1
        assert station.process_ids("ingest") == ingests
        assert reloaded(station).stdout == "nothing has changed\n"
        assert station.stop() == 0
    require_sound(station)
    epochs = {a.book.key.epoch for a in station.audits() if a.book.key.line == "good"}
    assert len(epochs) == 1, "the good camera ran all the time"


def test_a_process_that_starts_again_meets_the_configuration_that_was_accepted(
    short_directory: Path, folder: Path
) -> None:
    station = Station(
        short_directory,
        [taught_line("belt", folder, fps=5, loop=True)],
        {"sinks": metrics_on(0), "scorer": ONE_THREAD},
    )
    teach(station, "belt")
    with station:
        station.until(lambda: scored(station) >= 3, "verdicts flow")
        whole = station.config_path.read_text()
        station.config_path.write_text(whole[: len(whole) // 2] + "\n  half: [an edit")
        for victim in ("ingest", "scorer", "sinks"):
            killed = station.send(signal.SIGKILL, victim)
            station.until(partial(runs_anew, station, victim, killed), f"another {victim}")
            before = scored(station)
            station.until(partial(has_scored, station, before + 3), "verdicts flow again")
        assert station.stop() == 0
    assert not list((short_directory / "run").glob("accepted*")), "nothing is left behind"
    require_sound(station)


def test_a_reload_without_a_station_says_so(short_directory: Path, folder: Path) -> None:
    station = Station(short_directory, [line("belt", str(folder))])
    answer = reloaded(station)
    assert answer.returncode == 1
    assert "no station runs in" in answer.stderr


def test_the_end_names_the_camera_that_failed_and_that_the_others_went_on(
    short_directory: Path, folder: Path
) -> None:
    wrong = {"x_px": 0, "y_px": 0, "width_px": 9000, "height_px": 9000}
    station = Station(
        short_directory,
        [
            line("bad", str(folder), pace="fast", region=wrong),
            line("belt", str(folder), pace="fast"),
        ],
        {"sinks": metrics_on(free_port()), "scorer": ONE_THREAD},
    )
    with station:
        assert station.until_exit() == 1
    end = station.log.splitlines()[-2:]
    assert end[0].startswith(f"camera bad-top failed: {folder}/00.png: region 9000x9000")
    assert end[1].startswith("the other 1 camera went on")
    assert "ended with errors" not in station.log
