"""The sinks as a real process: sockets, signals, store, metrics, and bad surroundings."""

from __future__ import annotations

import itertools
import os
import signal
import socket
import sqlite3
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import httpx
import pytest
import zmq

from contract.clock import NS_PER_S
from contract.codec import encode
from contract.config import Config
from contract.errors import EXIT_OK, EXIT_PERMANENT, EXIT_RECOVERABLE
from contract.messages import AckMessage, Outcome
from contract.reasons import Fault
from sinks.plc.registers import Status
from sinks.store.store import Store
from tests.http_receiver import HANG, http_receiver
from tests.plc import free_port, plc_server
from tests.sinks.kit import (
    Process,
    camera,
    config_for,
    drop,
    end,
    evidence_of,
    existing,
    peers,
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
    with existing(config) as store:
        (audit,) = store.audit()
        assert audit.agrees
        assert audit.book.closed
        assert {k: n for k, n in audit.book.counts.items() if n} == {
            Outcome.PASS: 3,
            Outcome.FAIL: 1,
            Outcome.LATE: 1,
            Outcome.UNSCORED: 1,
        }
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


def test_killed_in_mid_stream_no_frame_is_lost_or_told_twice(short_directory: Path) -> None:
    config = config_for(short_directory / "data")
    lives, per_life = 3, 320
    with peers(config) as them:
        for life in range(lives):
            with running(config, short_directory) as process:
                them.resend()
                for first in range(life * per_life, (life + 1) * per_life, 40):
                    them.send(*(verdict(n) for n in range(first, first + 40)))
                    them.tell(camera(first + 40))
                    them.hear()
                assert them.outbox, "nothing was in flight"
                if life < lives - 1:
                    held = len(them.outbox)
                    until(lambda n=held: them.hear() < n)  # type: ignore[misc]
                    process.kill()
                    continue
                them.await_acks()
                them.tell(end(lives * per_life))
                assert process.stop() == EXIT_OK
    with existing(config) as store:
        (audit,) = store.audit()
        assert audit.agrees
        assert audit.book.closed
        assert audit.book.counts[Outcome.PASS] == lives * per_life
        told = sorted(event.frame_id for event in store.events())
        assert told == list(range(lives * per_life))


def test_what_the_plc_was_told_is_what_the_book_says_after_a_kill(short_directory: Path) -> None:
    """The store is locked, the PLC shows PASS, the sinks are killed, the deadline passes.

    The first frame is stored, but its acknowledgement does not arrive.
    """
    with plc_server() as plc, http_receiver() as receiver:
        config = config_for(
            short_directory / "data",
            modbus=[{"name": "gate", "line": "belt", "host": "127.0.0.1", "port": plc.port}],
            webhooks=[{"name": "mes", "url": receiver.url, "outcomes": ["PASS", "LATE"]}],
        )
        with peers(config) as them:
            with running(config, short_directory) as process:
                them.tell(camera(7), scorer_alive())
                until(lambda: plc.block.status & Status.ONLINE)
                deadline_ns = time.time_ns() + 10 * NS_PER_S
                them.send(verdict(0, deadline_ns=deadline_ns))
                with existing(config) as store:
                    until(lambda: list(store.events()))
                with _locked(config.data_directory / "events.db"):
                    for frame_id in range(1, 6):
                        them.send(verdict(frame_id, deadline_ns=deadline_ns))
                        until(lambda n=frame_id: plc.block.sequence == n + 1)  # type: ignore[misc]
                        assert plc.block.status & Status.PASS
                    until(lambda: len(receiver.requests) == 6)
                    process.kill()
            until(lambda: time.time_ns() > deadline_ns)
            told = len(plc.blocks)
            with running(config, short_directory) as process:
                them.resend()
                them.send(verdict(6, deadline_ns=deadline_ns))
                them.await_acks()
                them.tell(end(7))
                assert process.stop() == EXIT_OK
        assert not any(block.status & Status.PASS for block in plc.blocks[told:])
        assert plc.block.sequence == 1, "the frame that is new is told, and no other"
    with existing(config) as store:
        (audit,) = store.audit()
        assert audit.agrees
        assert audit.book.closed
        assert {k: n for k, n in audit.book.counts.items() if n} == {
            Outcome.PASS: 6,
            Outcome.LATE: 1,
        }
    outcomes = [request.document["data"]["outcome"] for request in receiver.requests]
    assert outcomes == ["PASS"] * 6 + ["LATE"], "nobody is told two things of one frame"


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the write lock of a SQLite file, as a backup tool may."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield


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
        until(lambda: "flawline_wire_errors_total 9.0" in _scrape(process))
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
            until(lambda: dropped in _scrape(process))
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
        until(lambda: errors in _scrape(process))
        assert process.log.read_text().count("PLC gate at") == 1
        with plc_server(port) as server:
            until(lambda: server.blocks)
            them.tell(camera(21), scorer_alive())
            until(lambda: server.block.status & Status.ONLINE)


def _scrape(process: Process) -> str:
    return httpx.get(process.metrics_url, trust_env=False).text


def _refused(config: Config, directory: Path) -> tuple[int, str]:
    process = Process(config, directory)
    assert not process.ready
    return process.popen.wait(10), process.log.read_text()


def test_an_occupied_metrics_port_is_named(short_directory: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as occupied:
        port = occupied.getsockname()[1]
        config = config_for(short_directory / "data", metrics={"port": port})
        code, log = _refused(config, short_directory)
    assert code == EXIT_RECOVERABLE
    assert f"127.0.0.1:{port}" in log
    assert "set sinks.metrics.port" in log


def test_a_second_process_for_the_same_station_is_refused(short_directory: Path) -> None:
    config = config_for(short_directory / "data")
    with running(config, short_directory):
        code, log = _refused(config, short_directory)
    assert code == EXIT_RECOVERABLE
    assert "in use by another process" in log


def test_a_store_from_the_future_is_refused_for_good(short_directory: Path) -> None:
    config = config_for(short_directory / "data")
    Store.open(config.store_url).database.close()
    connection = sqlite3.connect(short_directory / "data" / "events.db")
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()
    code, log = _refused(config, short_directory)
    assert code == EXIT_PERMANENT
    assert "newer than this software" in log


def test_a_missing_webhook_secret_is_named(short_directory: Path) -> None:
    hook = {"name": "mes", "url": "http://127.0.0.1:9/", "secret_env": "FLAWLINE_NO_SUCH"}
    code, log = _refused(config_for(short_directory / "data", webhooks=[hook]), short_directory)
    assert code == EXIT_PERMANENT
    assert "FLAWLINE_NO_SUCH is not set" in log


@contextmanager
def _small_disk(directory: Path, options: str) -> Iterator[Path]:
    """A file system of its own; skipped where the test may not mount one."""
    directory.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(directory)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode and (os.geteuid() != 0 or "permission denied" in mounted.stderr):
        pytest.skip("mounting a tmpfs needs root")
    assert mounted.returncode == 0, mounted.stderr
    try:
        yield directory
    finally:
        subprocess.run(["umount", "-l", str(directory)], check=True)


def test_a_read_only_data_folder_is_named(short_directory: Path) -> None:
    with _small_disk(short_directory / "data", "size=1m,ro") as data:
        config = config_for(data)
        config = Config.model_validate(
            config.model_dump() | {"network": {"directory": str(short_directory / "run")}}
        )
        code, log = _refused(config, short_directory)
    assert code == EXIT_RECOVERABLE
    assert str(data) in log
    assert "Traceback" not in log


@pytest.mark.parametrize("replaced", [False, True])
def test_a_store_that_is_taken_away_is_noticed_told_and_begun_anew(
    replaced: bool, short_directory: Path
) -> None:
    with plc_server() as plc:
        gate = {"name": "gate", "line": "belt", "host": "127.0.0.1", "port": plc.port}
        config = config_for(short_directory / "data", modbus=[gate])
        path = short_directory / "data" / "events.db"
        with peers(config) as them:
            with running(config, short_directory) as process:
                them.tell(camera(1), scorer_alive())
                them.send(verdict(0))
                them.await_acks()
                for name in path.parent.glob("events.db*"):
                    name.rename(name.with_name(f"was-{name.name}"))
                if replaced:
                    path.touch()
                them.send(verdict(1))
                assert process.popen.wait(30) == EXIT_RECOVERABLE
                assert them.hear() == 1, "what has no place is not acknowledged"
                why = "was replaced by another file" if replaced else "is gone"
                assert f"event store {path} {why}" in process.log.read_text()
                assert plc.block.fault is Fault.STOPPED
                assert not plc.block.status & (Status.PASS | Status.ONLINE)
            with running(config, short_directory) as process:
                them.await_acks()
                them.tell(end(2))
                assert process.stop() == EXIT_OK
    with existing(config) as store:
        (audit,) = store.audit()
        assert audit.agrees
        assert audit.book.counts[Outcome.PASS] == 1
        assert audit.book.unscored["lost"] == 1, "that of the store that is gone"


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


def test_a_full_disk_does_not_lose_what_is_stored_and_heals(short_directory: Path) -> None:
    with _small_disk(short_directory / "data", "size=2m") as data:
        config = config_for(data)
        with peers(config) as them, running(config, short_directory) as process:
            them.send(verdict(0))
            them.await_acks()
            ballast = data / "ballast"
            with ballast.open("wb", buffering=0) as file, pytest.raises(OSError, match="space"):
                while True:
                    file.write(bytes(4096))
            failed = [verdict(n, Outcome.FAIL, picture=True) for n in range(1, 200)]
            them.send(*failed)
            them.show(*failed)
            until(lambda: 'reason="storage",sink="record"' in _scrape(process))
            until(lambda: 'reason="disk_full",sink="evidence"' in _scrape(process))
            assert process.popen.poll() is None
            ballast.unlink()
            them.await_acks()
            them.tell(end(200))
            assert process.stop() == EXIT_OK
        with existing(config) as store:
            (audit,) = store.audit()
            assert audit.agrees
            assert audit.book.closed
            assert sum(audit.book.counts.values()) == 200
