"""The sinks as a real process: sockets, signals, store, metrics, and bad surroundings."""

from __future__ import annotations

import itertools
import signal
import socket
import stat
import subprocess
from contextlib import suppress
from pathlib import Path

import httpx
import zmq

from contract.codec import encode
from contract.errors import EXIT_OK, EXIT_PERMANENT, EXIT_RECOVERABLE
from contract.messages import AckMessage, Outcome
from contract.reasons import Fault
from sinks.plc.registers import OUTCOME_CODES, Status
from sinks.store.store import Store
from tests.http_receiver import HANG, http_receiver
from tests.plc import free_port, plc_server
from tests.sinks.kit import (
    booked,
    camera,
    config_for,
    drop,
    end,
    evidence_of,
    existing,
    peers,
    refused,
    running,
    scorer_alive,
    until,
    verdict,
)


def test_a_stream_from_first_frame_to_closed_book(short_directory: Path) -> None:
    config = config_for(short_directory / "data")
    with peers(config) as them, running(config, short_directory) as process:
        them.tell(camera(6), scorer_alive(), drop(2, 2))
        them.send(*(verdict(n) for n in (0, 1, 3)), verdict(4, Outcome.FAIL, picture=True))
        them.show(verdict(4, Outcome.FAIL))
        them.send(verdict(5, deadline_ns=1, delivery_id=5))
        them.await_acks()
        text = httpx.get(process.metrics_url, trust_env=False).text
        assert 'flawline_camera_up{camera="top",line="belt",station="station"} 1.0' in text
        them.tell(end(6))
        assert process.stop() == EXIT_OK
    assert booked(config) == {
        Outcome.PASS: 3,
        Outcome.FAIL: 1,
        Outcome.LATE: 1,
        Outcome.UNSCORED: 1,
    }
    with existing(config) as store:
        events = {event.frame_id: event for event in store.events()}
        assert events[5].reason == "deadline_missed"
        assert events[4].evidence is not None
        assert (config.evidence_directory / events[4].evidence).is_file()
    open_to_others = [
        path
        for path in (short_directory / "data").rglob("*")
        if stat.S_IMODE(path.stat().st_mode) & 0o077
    ]
    assert not open_to_others


def test_what_an_earlier_version_left_open_to_others_is_closed(short_directory: Path) -> None:
    config = config_for(short_directory / "data")
    Store.open(config.store_url).database.close()
    config.evidence_directory.mkdir()
    store = short_directory / "data" / "events.db"
    store.chmod(0o644)
    config.evidence_directory.chmod(0o755)
    with running(config, short_directory) as process:
        assert process.stop() == EXIT_OK
    assert stat.S_IMODE(store.stat().st_mode) == 0o640
    assert stat.S_IMODE(config.evidence_directory.stat().st_mode) == 0o750


def test_messages_that_break_the_contract_are_counted_and_the_process_lives(
    short_directory: Path,
) -> None:
    config = config_for(short_directory / "data")
    with peers(config) as them, running(config, short_directory) as process:
        them.send_parts(b"")
        them.send_parts(b"{}", b"", b"")
        them.send_parts(b"\xff" * 100)
        them.send_parts(encode(verdict(1 << 60)))
        them.send_parts(encode(camera(1)))
        them.show_parts(encode(evidence_of(verdict(0)).header), b"short", b"")
        them.tell_raw(b"[]")
        them.tell(AckMessage(delivery_ids=()), camera(1 << 60))
        them.send(verdict(0))
        them.await_acks()
        until(lambda: "flawline_wire_errors_total 9.0" in process.scrape())
        assert process.popen.poll() is None


def test_a_hanging_webhook_does_not_delay_the_plc(short_directory: Path) -> None:
    with http_receiver() as receiver, plc_server() as plc:
        receiver.answers += [HANG] * 5
        config = config_for(
            short_directory / "data",
            webhooks=[{"name": "mes", "url": receiver.url, "timeout_s": 20, "queue_size": 4}],
            modbus=[{"name": "gate", "line": "belt", "host": "127.0.0.1", "port": plc.port}],
        )
        with peers(config) as them, running(config, short_directory) as process:
            them.tell(camera(1), scorer_alive())
            until(lambda: plc.block.status & Status.ONLINE)
            them.send(verdict(0, Outcome.FAIL))
            until(lambda: len(receiver.requests) == 1)
            for frame_id in range(1, 21):
                outcome = Outcome.FAIL if frame_id % 2 else Outcome.PASS
                them.tell(camera(frame_id + 1), scorer_alive())
                them.send(verdict(frame_id, outcome))
                until(lambda n=frame_id: plc.block.sequence == n + 1, within_s=1.0)  # type: ignore[misc]
                assert plc.block.status == Status.ONLINE | Status[outcome.value]
            them.await_acks()
            assert len(receiver.requests) == 1
            dropped = 'flawline_sink_dropped_total{reason="queue_full",sink="mes"} 6.0'
            until(lambda: dropped in process.scrape())
            receiver.let_go()
            assert process.stop() == EXIT_OK


def test_an_unreachable_plc_stops_nothing(short_directory: Path) -> None:
    port = free_port()
    plc = {"name": "gate", "line": "belt", "host": "127.0.0.1", "port": port}
    config = config_for(short_directory / "data", modbus=[plc])
    with peers(config) as them, running(config, short_directory) as process:
        them.send(*(verdict(n) for n in range(20)))
        them.await_acks()
        errors = 'flawline_sink_errors_total{reason="connection",sink="gate"}'
        until(lambda: errors in process.scrape())
        assert process.log.read_text().count("PLC gate at") == 1
        with plc_server(port) as server:
            until(lambda: server.blocks)
            until(lambda: server.block.sequence == 20)
            assert server.block.outcome == OUTCOME_CODES[Outcome.LATE]
            them.tell(camera(21), scorer_alive())
            until(lambda: server.block.fault is Fault.LATE)
            them.send(verdict(20))
            until(lambda: server.block.status & Status.PASS)


def test_an_occupied_metrics_port_is_named(short_directory: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as occupied:
        port = occupied.getsockname()[1]
        config = config_for(short_directory / "data", metrics={"port": port})
        code, log = refused(config, short_directory)
    assert code == EXIT_RECOVERABLE
    assert f"127.0.0.1:{port}" in log
    assert "set sinks.metrics.port" in log


def test_a_second_process_for_the_same_station_isrefused(short_directory: Path) -> None:
    config = config_for(short_directory / "data")
    with running(config, short_directory):
        code, log = refused(config, short_directory)
    assert code == EXIT_RECOVERABLE
    assert "in use by another process" in log


def test_a_missing_webhook_secret_is_named(short_directory: Path) -> None:
    hook = {"name": "mes", "url": "http://127.0.0.1:9/", "secret_env": "FLAWLINE_NO_SUCH"}
    code, log = refused(config_for(short_directory / "data", webhooks=[hook]), short_directory)
    assert code == EXIT_PERMANENT
    assert "FLAWLINE_NO_SUCH is not set" in log


def test_a_stop_does_not_wait_for_a_sender_that_goes_on(short_directory: Path) -> None:
    config = config_for(short_directory / "data")
    with peers(config) as them, running(config, short_directory) as process:
        process.popen.send_signal(signal.SIGTERM)
        frame_ids = itertools.count()

        def ended() -> bool:
            with suppress(zmq.Again):
                them.send(verdict(next(frame_ids)))
            with suppress(subprocess.TimeoutExpired):
                process.popen.wait(0.05)
            return process.popen.poll() is not None

        until(ended, within_s=60)
        assert process.popen.returncode == EXIT_OK
