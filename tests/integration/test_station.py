"""A stream in, verdicts out: store, PLC registers, webhook, metrics, and a balanced ledger."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contract.clock import SystemClock
from contract.curve import create_keys
from contract.messages import Outcome
from flawline.__main__ import run
from scorer.references.enrolment import enroll
from scorer.references.shelf import Shelf
from scorer.scoring.winclip import load_model
from sinks.plc.registers import Status
from tests.cameras import RtspCamera
from tests.http_receiver import http_receiver
from tests.integration.station import Station
from tests.pictures import picture, save_picture
from tests.plc import free_port, plc_server
from tests.systemd import Systemd

pytestmark = pytest.mark.timeout(600)

SCORED = (Outcome.PASS, Outcome.FAIL)


def line(name: str, source: str, **camera: Any) -> dict[str, Any]:
    """A line with one camera; patient, because the machine may be busy."""
    return {"name": name, "deadline_s": 9.0, "cameras": [camera_of(name, source, **camera)]}


def taught_line(name: str, folder: Path, **camera: Any) -> dict[str, Any]:
    """A line for the pictures of `folder`.

    Its good pictures are the reference itself, which scores nothing, so that any threshold above
    zero tells them from the others: these tests are about the way of a verdict, not its quality.
    """
    return {**line(name, str(folder), **camera), "fail_threshold": 0.01}


def camera_of(name: str, source: str, **camera: Any) -> dict[str, Any]:
    return {"name": f"{name}-top", "source": source, **camera}


def metrics_on(port: int) -> dict[str, Any]:
    return {"metrics": {"port": port}}


def teach(station: Station, name: str) -> None:
    """Enroll a line with the pictures that `folder` holds."""
    config = station.config
    model = load_model(config.scorer.model)
    good = [picture(seed=0), picture(size=(260, 250), seed=0)]
    enroll(model, config.line(name), good, Shelf(config.memory_directory), SystemClock())


@pytest.fixture
def systemd(short_directory: Path) -> Iterator[Systemd]:
    listener = Systemd(str(short_directory / "notify"))
    yield listener
    listener.close()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """24 pictures; every sixth has a spot."""
    for number in range(24):
        save_picture(tmp_path / "shots" / f"{number:02}.png", spot=number % 6 == 5)
    yield tmp_path / "shots"


def test_from_an_rtsp_camera_to_plc_webhook_store_and_metrics(short_directory: Path) -> None:
    port = free_port()
    with RtspCamera(fps=10) as camera, plc_server(base_register=100) as plc, http_receiver() as mes:
        sinks = {
            **metrics_on(port),
            "modbus": [
                {
                    "name": "gate",
                    "line": "belt",
                    "host": "127.0.0.1",
                    "port": plc.port,
                    "base_register": 100,
                    "silence_s": 20.0,
                }
            ],
            "webhooks": [{"name": "mes", "url": mes.url, "outcomes": ["FAIL"]}],
        }
        station = Station(short_directory, [line("belt", camera.url, fps=4)], {"sinks": sinks})
        with station:
            station.until(lambda: station.counts()[Outcome.UNSCORED], "frames of an untaught line")
            assert not any(Status.PASS in block.status for block in plc.blocks)

            command = ["enroll", "--line", "belt", "--from", "belt-top", "--interval-s", "0.3"]
            taught = subprocess.run(
                [sys.executable, "-m", "flawline", *command, "--config", station.config_path],
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            assert taught.returncode == 0, taught.stderr
            station.until(lambda: station.counts()[Outcome.PASS] >= 2, "good parts pass")
            station.until(
                lambda: Status.PASS in plc.block.status and Status.ONLINE in plc.block.status,
                "the PLC is told PASS",
            )
            beat = plc.block.heartbeat
            station.until(lambda: plc.block.heartbeat != beat, "the heartbeat counts")

            camera.command("pattern snow")
            station.until(lambda: mes.requests, "the webhook is told of a FAIL")
            station.until(lambda: Status.FAIL in plc.block.status, "the PLC is told FAIL")
            fails = station.metric("flawline_verdicts_total", line="belt", verdict="FAIL")
            assert fails >= 1
            assert station.metric("flawline_camera_up", camera="belt-top") == 1
            assert station.stop() == 0

        told = mes.requests[0].document
        assert told["data"]["outcome"] == "FAIL"
        assert told["data"]["anomaly_score"] >= told["data"]["fail_threshold"]
        assert Status.PASS not in plc.block.status
        evidence = [e.evidence for e in station.events(outcomes=[Outcome.FAIL])]
        assert evidence[0] is not None
        assert (station.config.evidence_directory / evidence[0]).is_file()
    assert run(["ledger", "--config", str(station.config_path)]) == 0


def test_over_encrypted_tcp_every_picture_of_a_folder_gets_its_verdict(
    short_directory: Path, folder: Path, systemd: Systemd
) -> None:
    create_keys(short_directory / "keys")
    endpoints = {
        name: f"tcp://127.0.0.1:{free_port()}"
        for name in ("frames", "verdicts", "status", "control")
    }
    network = {**endpoints, "curve_directory": str(short_directory / "keys")}
    station = Station(
        short_directory,
        [taught_line("belt", folder, pace="fast")],
        {"network": network, "sinks": metrics_on(free_port())},
        environment={**systemd.environment, "WATCHDOG_USEC": "2000000"},
    )
    teach(station, "belt")
    with station:
        told: list[str] = []
        assert station.until_exit(lambda: told.extend(systemd.heard())) == 0
    told += systemd.heard()
    assert [state for state in told if state != "WATCHDOG=1"] == ["READY=1", "STOPPING=1"]
    assert "WATCHDOG=1" in told[: told.index("READY=1")], "starting, too, shows that it is alive"
    assert "WATCHDOG=1" in told[told.index("READY=1") : told.index("STOPPING=1")]
    [audit] = station.audits()
    assert audit.agrees
    assert audit.book.balanced
    assert audit.book.closed
    assert audit.book.admitted == 24
    verdicts = [event.outcome for event in station.events()]
    assert verdicts == [Outcome.FAIL if n % 6 == 5 else Outcome.PASS for n in range(24)]


@pytest.mark.parametrize("victim", ["scorer", "sinks", "ingest"])
def test_the_book_balances_after_a_process_was_killed(
    victim: str, short_directory: Path, folder: Path
) -> None:
    station = Station(
        short_directory,
        [taught_line("belt", folder, fps=5, loop=True)],
        {"sinks": {**metrics_on(free_port())}},
    )
    teach(station, "belt")
    with station:
        station.until(lambda: sum(station.counts()[o] for o in SCORED) >= 4, "verdicts flow")
        station.send(signal.SIGKILL, victim)
        epochs = len(station.audits())
        before = station.counts()
        station.until(
            lambda: sum((station.counts() - before)[outcome] for outcome in SCORED) >= 4,
            f"verdicts flow again after {victim} was killed",
        )
        if victim == "ingest":
            station.until(lambda: len(station.audits()) > epochs, "a new epoch")
        assert station.stop() == 0
    audits = station.audits()
    assert all(audit.agrees and audit.book.balanced for audit in audits)
    frames = [(event.epoch, event.frame_id) for event in station.events()]
    assert len(frames) == len(set(frames))


def test_a_camera_that_cannot_work_leaves_the_other_line_alone(
    short_directory: Path, folder: Path
) -> None:
    outside = {"x_px": 200, "y_px": 0, "width_px": 200, "height_px": 200}
    station = Station(
        short_directory,
        [
            taught_line("bad", folder, pace="fast", region=outside),
            taught_line("belt", folder, pace="fast"),
        ],
        {"sinks": metrics_on(free_port())},
    )
    teach(station, "belt")
    with station:
        assert station.until_exit() == 1
    assert "region" in station.log
    assert "bad-top" in station.log
    counts = station.counts()
    assert counts[Outcome.PASS] == 20
    assert counts[Outcome.FAIL] == 4


def test_an_occupied_metrics_port_is_named(short_directory: Path, folder: Path) -> None:
    with http_receiver() as occupant:
        port = int(occupant.url.rsplit(":", 1)[1].split("/")[0])
        station = Station(
            short_directory, [taught_line("belt", folder)], {"sinks": metrics_on(port)}
        )
        with station:
            assert station.until_exit() != 0
    assert str(port) in station.log
    assert "sinks.metrics.port" in station.log
    assert "Traceback" not in station.log


def test_a_reference_memory_of_another_region_is_refused_and_nothing_passes(
    short_directory: Path, folder: Path
) -> None:
    region = {"x_px": 20, "y_px": 20, "width_px": 200, "height_px": 200}
    enrolled = Station(short_directory, [taught_line("belt", folder, pace="fast")])
    teach(enrolled, "belt")
    station = Station(
        short_directory,
        [taught_line("belt", folder, pace="fast", region=region)],
        {"sinks": metrics_on(free_port())},
    )
    with station:
        assert station.until_exit() == 0
    assert "was made with region the whole picture" in station.log
    [audit] = station.audits()
    assert audit.book.balanced
    assert audit.book.unscored == {"memory_mismatch": 24}
