"""The record sink with a real store; only the disk is made small, and time is moved."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from contract.errors import StorageError
from contract.messages import Outcome, StreamKey
from contract.wall_watch import WallWatch
from sinks.arrival import Arrivals
from sinks.evidence.evidence import evidence_path
from sinks.fanout import Fanout
from sinks.metrics.metrics import Metrics
from sinks.recorder.recorder import Recorder
from sinks.store.store import Store
from tests.fakes import FakeClock
from tests.sinks.kit import (
    STREAM,
    arrival,
    camera,
    clocks,
    config_for,
    drop,
    end,
    metrics,
    until,
    value_of,
    verdict,
)

NEXT = STREAM._replace(epoch=STREAM.epoch + 5000)


@dataclass
class Desk:
    """A recorder at work."""

    recorder: Recorder
    store: Store
    metrics: Metrics
    clock: FakeClock
    stop: Callable[[], None]

    def acked(self) -> set[int]:
        return {each.delivery_id for each in self.recorder.stored()}

    def await_acks(self, *expected: int) -> None:
        missing = set(expected)

        def all_came() -> bool:
            missing.difference_update(self.acked())
            return not missing

        until(all_came)

    def tick(self, seconds: float = 1.1) -> None:
        self.clock.advance(seconds)

    def counts(self, stream: StreamKey = STREAM) -> dict[Outcome, int]:
        book = self.store.book(stream)
        return {k: n for k, n in book.counts.items() if n} if book else {}

    def contradictions(self) -> float:
        labels = {"station": "station", "line": "belt", "camera": "top"}
        return value_of(self.metrics, "ledger_contradictions_total", **labels)


@contextmanager
def desk(directory: Path, **sinks: Any) -> Iterator[Desk]:
    config = config_for(directory, **sinks)
    clock, numbers = FakeClock(), metrics()
    with Store.open(config.store_url) as store:
        recorder = Recorder(
            store,
            config.sinks,
            clock=clock,
            metrics=numbers,
            evidence_path=evidence_path,
            wall=WallWatch(clock, directory / "clock"),
        )
        fanout = Fanout([recorder], numbers)
        fanout.start()
        stopped = threading.Event()

        def stop() -> None:
            if not stopped.is_set():
                stopped.set()
                fanout.stop(10)

        yield Desk(recorder, store, numbers, clock, stop)
        stop()


def test_stored_then_acknowledged(tmp_path: Path) -> None:
    with desk(tmp_path) as it:
        for frame_id in range(100):
            assert it.recorder.offer(arrival(verdict(frame_id)))
        it.await_acks(*range(100))
        assert it.counts() == {Outcome.PASS: 100}
        labels = {"station": "station", "line": "belt", "camera": "top"}
        count = value_of(it.metrics, "verdicts_total", **labels, verdict="PASS", reason="")
        assert count == 100


def test_a_second_delivery_is_acknowledged_and_changes_nothing(tmp_path: Path) -> None:
    with desk(tmp_path) as it:
        for delivery_id in (1, 2):
            it.recorder.offer(arrival(verdict(0, delivery_id=delivery_id)))
            it.await_acks(delivery_id)
        assert it.counts() == {Outcome.PASS: 1}
        assert it.contradictions() == 0
        it.recorder.offer(arrival(verdict(0, Outcome.FAIL, delivery_id=3)))
        it.await_acks(3)
        assert it.counts() == {Outcome.PASS: 1}
        assert it.contradictions() == 1


def test_late_on_the_second_delivery_is_no_contradiction(tmp_path: Path) -> None:
    with desk(tmp_path) as it:
        it.recorder.offer(arrival(verdict(0, delivery_id=1)))
        it.await_acks(1)
        late = verdict(0, delivery_id=1, deadline_ns=1)
        it.recorder.offer(arrival(late, arrivals=Arrivals(clocks())))
        it.await_acks(1)
        assert it.contradictions() == 0


def test_drops_and_totals_balance_the_book(tmp_path: Path) -> None:
    with desk(tmp_path) as it:
        it.recorder.observe(camera(10))
        it.recorder.observe(drop(2, 4))
        for frame_id in (0, 1, 5, 6, 7, 8, 9):
            it.recorder.offer(arrival(verdict(frame_id)))
        it.recorder.observe(end(10))
        it.await_acks(0, 9)
        until(lambda: it.store.book(STREAM) and it.store.books(open_only=True) == [])
        (audit,) = it.store.audit()
        assert audit.agrees
        assert audit.book.closed_ns is not None
        assert audit.book.unscored == {"overwritten": 3}


def test_what_nobody_explains_is_lost(tmp_path: Path) -> None:
    with desk(tmp_path, lost_after_s=10.0) as it:
        it.recorder.observe(camera(6))
        it.recorder.offer(arrival(verdict(3)))
        it.await_acks(3)
        it.tick()
        until(lambda: (book := it.store.book(STREAM)) and book.admitted == 6)
        assert it.counts() == {Outcome.PASS: 1}
        it.tick(11.5)
        until(lambda: it.counts() == {Outcome.PASS: 1, Outcome.UNSCORED: 5})
        assert [(d.first_frame_id, d.last_frame_id) for d in it.store.drops(STREAM)] == [
            (0, 2),
            (4, 5),
        ]
        it.recorder.offer(arrival(verdict(5, delivery_id=77)))
        it.await_acks(77)
        assert it.contradictions() == 1


def test_a_newer_epoch_closes_the_book_of_a_killed_camera(tmp_path: Path) -> None:
    with desk(tmp_path, lost_after_s=5.0) as it:
        it.recorder.observe(camera(4))
        it.recorder.offer(arrival(verdict(0)))
        it.await_acks(0)
        it.tick()
        until(lambda: (book := it.store.book(STREAM)) and book.admitted == 4)
        it.recorder.observe(camera(2, stream=NEXT))
        it.tick(5.5)
        until(lambda: (book := it.store.book(STREAM)) and book.closed)
        assert it.counts() == {Outcome.PASS: 1, Outcome.UNSCORED: 3}
        assert [book.key for book in it.store.books(open_only=True)] == [NEXT]


def test_a_restart_goes_on_with_the_open_books(tmp_path: Path) -> None:
    with desk(tmp_path) as it:
        it.recorder.observe(camera(5))
        it.recorder.offer(arrival(verdict(0)))
        it.await_acks(0)
        it.stop()
        assert it.store.books(open_only=True)[0].open_frames == 4
    with desk(tmp_path) as it:
        it.recorder.offer(arrival(verdict(0, delivery_id=50)))
        for frame_id in range(1, 5):
            it.recorder.offer(arrival(verdict(frame_id)))
        it.recorder.observe(end(5))
        it.await_acks(50, 1, 2, 3, 4)
        until(lambda: (book := it.store.book(STREAM)) and book.closed)
        assert it.counts() == {Outcome.PASS: 5}
        assert it.contradictions() == 0


def test_an_orderly_stop_settles_what_ended(tmp_path: Path) -> None:
    with desk(tmp_path) as it:
        it.recorder.offer(arrival(verdict(1)))
        it.recorder.observe(end(3))
        it.recorder.observe(camera(3, stream=NEXT._replace(camera="side")))
        it.stop()
        book = it.store.book(STREAM)
        assert book is not None
        assert book.closed
        assert it.counts() == {Outcome.PASS: 1, Outcome.UNSCORED: 2}
        (still_open,) = it.store.books(open_only=True)
        assert still_open.key.camera == "side"
        assert still_open.open_frames == 3


def test_a_full_disk_delays_but_loses_nothing(tmp_path: Path) -> None:
    """`max_page_count` makes SQLite fail exactly as it does on a full disk."""
    with desk(tmp_path, queue_size=8) as it:
        limit = {"pages": 1_000_000}

        @sa.event.listens_for(it.store.database.engine, "begin")
        def set_limit(connection: sa.Connection) -> None:
            connection.exec_driver_sql(f"PRAGMA max_page_count = {limit['pages']}")

        it.recorder.offer(arrival(verdict(0)))
        it.await_acks(0)
        limit["pages"] = 1
        waiting = list(range(1, 600))
        while waiting and it.recorder.offer(arrival(verdict(waiting[0]))):
            waiting.pop(0)
            until(lambda: it.recorder.pending() < 8 or _storage_errors(it) > 0)
        until(lambda: _storage_errors(it) > 0)
        while it.recorder.offer(arrival(verdict(waiting[0]))):
            waiting.pop(0)
        assert not it.recorder.offer(arrival(verdict(waiting[0])))
        it.acked()
        stored = it.counts()[Outcome.PASS]
        assert stored < waiting[0]
        limit["pages"] = 1_000_000
        for frame_id in waiting:
            until(lambda i=frame_id: it.recorder.offer(arrival(verdict(i))))  # type: ignore[misc]
        until(lambda: it.counts() == {Outcome.PASS: 600})
        (audit,) = it.store.audit()
        assert audit.agrees


def test_what_waited_for_the_store_is_not_called_lost(tmp_path: Path) -> None:
    """It may have been told: the book must not say anything else once the store works again."""
    with desk(tmp_path) as it:
        limit = {"pages": 1_000_000}

        @sa.event.listens_for(it.store.database.engine, "begin")
        def set_limit(connection: sa.Connection) -> None:
            connection.exec_driver_sql(f"PRAGMA max_page_count = {limit['pages']}")

        it.recorder.observe(camera(600))
        it.recorder.offer(arrival(verdict(0)))
        it.tick()
        until(lambda: (book := it.store.book(STREAM)) and book.admitted == 600)
        limit["pages"] = 1
        for frame_id in range(1, 600):
            it.recorder.offer(arrival(verdict(frame_id)))
        until(lambda: _storage_errors(it) > 0)
        it.tick(60)
        limit["pages"] = 1_000_000
        until(lambda: sum(it.counts().values()) == 600)
        assert it.counts() == {Outcome.PASS: 600}
        assert it.contradictions() == 0


def _storage_errors(it: Desk) -> float:
    return value_of(it.metrics, "sink_errors_total", sink="record", reason="storage")


def test_one_row_that_is_refused_does_not_stop_the_others(tmp_path: Path) -> None:
    with desk(tmp_path) as it:
        with it.store.database.begin() as connection:
            connection.exec_driver_sql(
                "CREATE TRIGGER refuse BEFORE INSERT ON events WHEN NEW.frame_id = 2 "
                "BEGIN SELECT RAISE(ABORT, 'not this one'); END"
            )
        for frame_id in range(5):
            it.recorder.offer(arrival(verdict(frame_id)))
        it.await_acks(0, 1, 3, 4)
        assert it.counts() == {Outcome.PASS: 4}
        assert value_of(it.metrics, "sink_errors_total", sink="record", reason="refused") == 1
        it.recorder.observe(end(5))


def test_a_commit_that_was_reported_as_failed_is_not_told_twice(tmp_path: Path) -> None:
    with desk(tmp_path) as it:
        it.recorder.offer(arrival(verdict(0)))
        it.await_acks(0)
        failures = [StorageError("the connection broke during the commit")]

        @sa.event.listens_for(it.store.database.engine, "commit")
        def fail_after_commit(connection: sa.Connection) -> None:
            num_events = connection.exec_driver_sql("SELECT count(*) FROM events").scalar_one()
            if failures and num_events > 1:
                connection.exec_driver_sql("COMMIT")
                raise failures.pop()

        for frame_id in range(1, 4):
            it.recorder.offer(arrival(verdict(frame_id)))
        it.await_acks(1, 2, 3)
        assert not failures
        assert it.counts() == {Outcome.PASS: 4}
        (audit,) = it.store.audit()
        assert audit.agrees


@pytest.mark.parametrize("kind", ["duplicate", "overlap"])
def test_contradicting_drops_are_counted_per_frame(tmp_path: Path, kind: str) -> None:
    with desk(tmp_path) as it:
        it.recorder.observe(drop(0, 3))
        it.recorder.observe(drop(0, 3) if kind == "duplicate" else drop(2, 5))
        it.recorder.offer(arrival(verdict(9)))
        it.await_acks(9)
        assert it.contradictions() == (4 if kind == "duplicate" else 2)
        (audit,) = it.store.audit()
        assert audit.agrees


def test_a_clock_that_steps_far_ahead_deletes_nothing(tmp_path: Path) -> None:
    """Every event is 400 days old at once; a day later that is so."""
    with desk(tmp_path, event_max_age_days=365) as it:
        it.recorder.offer(arrival(verdict(0, captured_ns=it.clock.wall_ns())))
        it.await_acks(0)
        it.clock.step(400 * 86_400.0)
        it.tick()
        distrust = {"sink": "record", "reason": "clock"}
        until(lambda: value_of(it.metrics, "sink_errors_total", **distrust) > 0)
        assert len(list(it.store.events())) == 1
        for _ in range(24 * 60):
            it.clock.advance(60.0)  # in small ones: the sink reads the two clocks one by one
        it.tick()
        until(lambda: value_of(it.metrics, "pruned_rows_total") == 1)
        assert not list(it.store.events())
        [audit] = it.store.audit()
        assert audit.agrees
