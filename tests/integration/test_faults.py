"""Killed, stopped, hung, without a store: what the PLC is told and what the book says."""

from __future__ import annotations

import signal
from functools import partial
from pathlib import Path

import pytest

from contract.messages import Outcome
from contract.reasons import Fault
from sinks.plc.registers import Status
from tests.integration.guarded import guarded_station, shows_pass
from tests.integration.station import Station, ledger, require_sound, runs_anew, scored
from tests.integration.test_station import line, metrics_on, taught_line, teach
from tests.plc import free_port, plc_server

HUNG_S = {"ingest_hung_after_s": 6, "scorer_hung_after_s": 20, "sinks_hung_after_s": 6}
ONE_THREAD = {"model": {"num_threads": 1}}

pytestmark = pytest.mark.timeout(600)


@pytest.mark.parametrize("victim", ["ingest", "scorer", "sinks"])
def test_a_process_that_hangs_is_killed_and_started_again(
    victim: str, short_directory: Path, folder: Path
) -> None:
    station = Station(
        short_directory,
        [taught_line("belt", folder, fps=5, loop=True)],
        {"sinks": metrics_on(free_port()), "scorer": ONE_THREAD, "supervisor": HUNG_S},
    )
    teach(station, "belt")
    with station:
        station.until(lambda: scored(station) >= 3, "verdicts flow")
        hung = station.send(signal.SIGSTOP, victim)
        station.until(partial(runs_anew, station, victim, hung), "another process")
        before = scored(station)
        station.until(lambda: scored(station) >= before + 3, "verdicts flow again")
        name = "ingest belt-top" if victim == "ingest" else victim
        labels = {"process": name, "reason": "hung"}
        station.until(
            lambda: station.metric("flawline_process_restarts_total", **labels) == 1,
            "the restart is counted",
        )
        labels["reason"] = "exited"
        assert station.metric("flawline_process_restarts_total", **labels) == 0
        assert station.stop() == 0
    assert f"{name}: no sign for" in station.log
    assert f"{name} hung, starts again in" in station.log
    require_sound(station)


def take_store_away(station: Station) -> None:
    """Put a folder in the place of the store: sinks cannot start any more."""
    data = station.config.data_directory
    for path in data.glob("events.db*"):
        path.rename(path.with_name(f"was-{path.name}"))
    (data / "events.db").mkdir()
    station.until(
        lambda: station.log.count("sinks ended (exit code 1), starts again in") > 1,
        "the sinks cannot start any more",
    )


def bring_store_back(station: Station) -> None:
    data = station.config.data_directory
    (data / "events.db").rmdir()
    for path in data.glob("was-events.db*"):
        path.rename(path.with_name(path.name.removeprefix("was-")))


def stop_without_sinks(station: Station) -> None:
    """Nobody takes what the scorer has in hand: the second Ctrl-C gives it up."""
    station.interrupt()
    station.until(lambda: "draining" in station.log, "it stops")
    station.stop()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_pass_does_not_stand_when_the_sinks_are_gone(
    number: signal.Signals, short_directory: Path, folder: Path
) -> None:
    """At the moment of a PASS: the guard clears it, and the sinks come back."""
    with plc_server() as plc:
        with guarded_station(short_directory, folder, plc, supervisor=HUNG_S) as station:
            station.until(partial(shows_pass, plc), "a PASS is shown")
            station.send(number, "sinks")
            written = len(plc.blocks)
            station.until(
                lambda: not plc.block.status & (Status.PASS | Status.ONLINE), "it is cleared"
            )
            if number is signal.SIGSTOP:  # where nothing else could have cleared it
                assert Fault.SINKS in {block.fault for block in plc.blocks[written - 1 :]}
            station.until(partial(shows_pass, plc), "a PASS is shown again")
            assert station.stop() == 0
        assert plc.block.fault is Fault.STOPPED
        assert not plc.block.status & (Status.PASS | Status.ONLINE)


def test_a_pass_does_not_stand_when_sinks_cannot_start_and_the_station_stops(
    short_directory: Path, folder: Path
) -> None:
    with plc_server() as plc:
        with guarded_station(short_directory, folder, plc, supervisor=HUNG_S) as station:
            station.until(partial(shows_pass, plc), "a PASS is shown")
            station.send(signal.SIGKILL, "sinks")
            take_store_away(station)
            stop_without_sinks(station)
        assert plc.block.fault is Fault.SINKS
        assert not plc.block.status & (Status.PASS | Status.ONLINE)


def test_a_station_that_stops_without_its_sinks_leaves_a_book_that_does_not_balance(
    short_directory: Path, folder: Path
) -> None:
    station = Station(
        short_directory,
        [line("belt", str(folder), fps=5, loop=True)],
        {"sinks": metrics_on(0), "scorer": ONE_THREAD},
    )
    with station:
        station.until(lambda: station.counts()[Outcome.UNSCORED] > 3, "frames flow")
        assert ledger(station).returncode == 0, "frames of a running station are in flight"
        refused = ledger(station, "--close")
        assert (refused.returncode, refused.stderr.count("a station runs")) == (1, 1)
        take_store_away(station)
        refused = ledger(station, "--close")
        assert (refused.returncode, refused.stderr.count("a station runs")) == (1, 1)
        stop_without_sinks(station)
    bring_store_back(station)
    open_book = ledger(station)
    assert open_book.returncode == 1
    assert "was never closed, and no sinks keep it" in open_book.stdout
    assert ledger(station, "--close").returncode == 0
    assert ledger(station).returncode == 0


def test_one_that_somebody_else_stopped_is_started_again(
    short_directory: Path, folder: Path
) -> None:
    """`kill` or a tool of the plant: the only camera is not at its end because of that."""
    station = Station(
        short_directory,
        [line("belt", str(folder), fps=5, loop=True)],
        {"sinks": metrics_on(0), "scorer": ONE_THREAD},
    )
    with station:
        station.until(lambda: station.counts()[Outcome.UNSCORED] > 3, "frames flow")
        for victim in ("ingest", "sinks"):
            stopped = station.send(signal.SIGTERM, victim)
            station.until(partial(runs_anew, station, victim, stopped), f"another {victim}")
        before = station.counts()[Outcome.UNSCORED]
        station.until(lambda: station.counts()[Outcome.UNSCORED] > before + 3, "frames flow again")
        assert station.stop() == 0
    require_sound(station)
