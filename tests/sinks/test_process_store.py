"""The sinks as a real process when they are killed, or their store is locked, gone, full or odd."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from contract.clock import NS_PER_S
from contract.config import Config
from contract.errors import EXIT_OK, EXIT_PERMANENT, EXIT_RECOVERABLE
from contract.messages import Outcome
from contract.reasons import Fault
from sinks.plc.registers import Status
from sinks.store.store import Store
from tests.disks import small_disk
from tests.http_receiver import http_receiver
from tests.plc import plc_server
from tests.sinks.kit import (
    booked,
    camera,
    config_for,
    end,
    existing,
    peers,
    refused,
    running,
    scorer_alive,
    until,
    verdict,
)


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
    assert booked(config) == {Outcome.PASS: lives * per_life}
    with existing(config) as store:
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
                        them.tell(camera(7), scorer_alive())
                        them.send(verdict(frame_id, deadline_ns=deadline_ns))
                        until(lambda n=frame_id: plc.block.sequence == n + 1)  # type: ignore[misc]
                        assert plc.block.status & Status.PASS
                    until(lambda: len(receiver.requests) == 6)
                    process.kill()
            until(lambda: time.time_ns() > deadline_ns)
            with running(config, short_directory) as process:
                them.resend()
                them.send(verdict(6, deadline_ns=deadline_ns))
                them.await_acks()
                them.tell(end(7))
                assert process.stop() == EXIT_OK
        assert plc.block.sequence == 1, "the frame that is new is told, and no other"
    assert booked(config) == {Outcome.PASS: 6, Outcome.LATE: 1}
    outcomes = [request.document["data"]["outcome"] for request in receiver.requests]
    assert outcomes == ["PASS"] * 6 + ["LATE"], "nobody is told two things of one frame"


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the write lock of a SQLite file, as a backup tool may."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield


def test_a_store_from_the_future_is_refused_for_good(short_directory: Path) -> None:
    config = config_for(short_directory / "data")
    Store.open(config.store_url).database.close()
    connection = sqlite3.connect(short_directory / "data" / "events.db")
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()
    code, log = refused(config, short_directory)
    assert code == EXIT_PERMANENT
    assert "newer than this software" in log


def test_a_read_only_data_folder_is_named(short_directory: Path) -> None:
    with small_disk(short_directory / "data", "size=1m,ro") as data:
        config = config_for(data)
        config = Config.model_validate(
            config.model_dump() | {"network": {"directory": str(short_directory / "run")}}
        )
        code, log = refused(config, short_directory)
    assert code == EXIT_RECOVERABLE
    assert str(data) in log
    assert "Traceback" not in log


def _remove(path: Path) -> None:
    for name in path.parent.glob("events.db*"):
        name.rename(name.with_name(f"was-{name.name}"))


def _replace(path: Path) -> None:
    _remove(path)
    path.touch()


def _damage(path: Path) -> None:
    """All is written to the file, and what it holds becomes noise."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with path.open("r+b") as file:
        file.seek(100)
        file.write(bytes(range(256)) * (path.stat().st_size // 256))


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (_remove, "is gone"),
        (_replace, "was replaced by another file"),
        (_damage, "does not work: database disk image is malformed"),
    ],
)
def test_a_store_that_is_taken_away_is_noticed_told_and_begun_anew(
    spoil: Callable[[Path], None], why: str, short_directory: Path
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
                spoil(path)
                them.send(verdict(1))
                assert process.popen.wait(30) == EXIT_RECOVERABLE
                assert them.hear() == 1, "what has no place is not acknowledged"
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
    aside = list(path.parent.glob("events.db.damaged-*"))
    assert bool(aside) == (spoil is _damage)


def test_a_store_that_is_found_damaged_is_set_aside_and_begun_anew(short_directory: Path) -> None:
    config = config_for(short_directory / "data")
    path = short_directory / "data" / "events.db"
    Store.open(config.store_url).database.close()
    _damage(path)
    damaged = path.read_bytes()
    code, log = refused(config, short_directory)
    assert code == EXIT_RECOVERABLE
    [aside] = path.parent.glob("events.db.damaged-*")
    assert f"{path} was damaged and is now {aside}" in log
    assert aside.read_bytes() == damaged
    with running(config, short_directory) as process:
        assert process.stop() == EXIT_OK


def test_a_full_disk_does_not_lose_what_is_stored_and_heals(short_directory: Path) -> None:
    with small_disk(short_directory / "data", "size=2m") as data:
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
            until(lambda: 'reason="storage",sink="record"' in process.scrape())
            until(lambda: 'reason="disk_full",sink="evidence"' in process.scrape())
            assert process.popen.poll() is None
            ballast.unlink()
            them.await_acks()
            them.tell(end(200))
            assert process.stop() == EXIT_OK
        assert sum(booked(config).values()) == 200
