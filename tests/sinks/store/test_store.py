"""The store on real SQLite files."""

from __future__ import annotations

import sqlite3
from collections import Counter
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from hypothesis import given

from contract.clock import NS_PER_S
from contract.errors import EXIT_PERMANENT, ConfigError, StorageError
from contract.messages import Outcome, StreamKey, VerdictMessage
from sinks.ledger.book import Book
from sinks.store.database import RefusedRows
from sinks.store.event import Event, event_id
from sinks.store.rows import Drop
from sinks.store.schema import EVENTS, METADATA
from sinks.store.store import PAGE, Store
from tests.contract.strategies import verdicts
from tests.sinks.kit import STREAM, verdict

S0 = 1_790_000_000 * NS_PER_S


def _url(directory: Path) -> str:
    return f"sqlite:///{directory / 'events.db'}"


def _event(header: VerdictMessage) -> Event:
    return Event.of(header, arrived_ns=S0, evidence=None)


def _lost(first: int, last: int, *, noted_ns: int = S0) -> Drop:
    return Drop(
        **STREAM._asdict(),
        first_frame_id=first,
        last_frame_id=last,
        reason="lost",
        noted_ns=noted_ns,
    )


def _fill(store: Store, *, frames: int) -> Book:
    """One PASS per frame, one second apart, and one lost range of 5 behind them."""
    book = Book(STREAM, opened_ns=S0)
    events = []
    for frame_id in range(frames):
        book.settle(frame_id, Outcome.PASS, None, 0.0)
        events.append(_event(verdict(frame_id, captured_ns=S0 + frame_id * NS_PER_S)))
    book.settle_range(frames, frames + 4, Outcome.UNSCORED, "lost", 0.0)
    store.write(events=events, drops=[_lost(frames, frames + 4)], books=[book])
    return book


def test_what_is_written_is_read_without_a_process(tmp_path: Path) -> None:
    with Store.open(_url(tmp_path)) as store:
        book = _fill(store, frames=2 * PAGE + 7)
    with Store.open_existing(_url(tmp_path)) as store:
        assert store.books() == [book]
        assert store.book(STREAM) == book
        assert [event.frame_id for event in store.events()] == list(range(2 * PAGE + 7))
        assert store.outcome(STREAM, 3) is Outcome.PASS
        assert store.outcome(STREAM, 2 * PAGE + 8) is None
        assert store.drops(STREAM) == [_lost(2 * PAGE + 7, 2 * PAGE + 11)]
        (audit,) = store.audit()
        assert audit.agrees
        assert audit.book.balanced


def test_events_are_selected(tmp_path: Path) -> None:
    with Store.open(_url(tmp_path)) as store:
        _fill(store, frames=10)
        found = store.events(since_ns=S0 + 2 * NS_PER_S, until_ns=S0 + 5 * NS_PER_S)
        assert [event.frame_id for event in found] == [2, 3, 4]
        assert list(store.events(outcomes=[Outcome.FAIL])) == []
        assert list(store.events(line="other")) == []
        assert len(list(store.events(line="belt"))) == 10


def test_single_events_are_found_as_they_were_written(tmp_path: Path) -> None:
    written = [
        _event(verdict(frame_id, outcome, captured_ns=S0 + frame_id * NS_PER_S))
        for frame_id, outcome in enumerate([Outcome.FAIL, Outcome.FAIL, Outcome.PASS])
    ]
    written.append(_event(verdict(3, Outcome.UNSCORED, captured_ns=S0 + 3 * NS_PER_S)))
    with Store.open(_url(tmp_path)) as store:
        store.write(events=written, drops=[], books=[])
        assert [store.event(each.event_id) for each in written] == written
        assert store.event("unknown") is None
        assert store.newest(line="belt", outcome=Outcome.FAIL) == written[1]
        assert store.newest(line="belt", outcome=Outcome.REVIEW) is None
        assert store.newest_scored("belt", since_ns=S0) == written[2]
        assert store.newest_scored("belt", since_ns=S0 + 3 * NS_PER_S) is None


def test_a_transaction_is_all_or_nothing(tmp_path: Path) -> None:
    with Store.open(_url(tmp_path)) as store:
        book = _fill(store, frames=3)
        more = book.copy()
        more.settle(100, Outcome.FAIL, None, 0.0)
        twice = [_event(verdict(100)), _event(verdict(2, captured_ns=S0 + 9))]
        with pytest.raises(RefusedRows, match="UNIQUE"):
            store.write(events=twice, drops=[_lost(50, 51)], books=[more])
        assert store.books() == [book]
        assert len(list(store.events())) == 3
        assert len(store.drops(STREAM)) == 1


def test_audit_finds_what_does_not_add_up(tmp_path: Path) -> None:
    with Store.open(_url(tmp_path)) as store:
        _fill(store, frames=10)
        with store.database.begin() as connection:
            connection.execute(sa.update(EVENTS).where(EVENTS.c.frame_id == 4).values(frame_id=11))
        (audit,) = store.audit()
        assert audit.recounted == audit.book.counts
        assert audit.overlaps == 1
        assert not audit.agrees
        with store.database.begin() as connection:
            connection.execute(sa.delete(EVENTS).where(EVENTS.c.frame_id == 11))
        (audit,) = store.audit()
        assert audit.recounted[Outcome.PASS] == 9
        assert not audit.agrees


def test_retention_deletes_in_bounded_steps_and_the_audit_adds_up(tmp_path: Path) -> None:
    with Store.open(_url(tmp_path)) as store:
        _fill(store, frames=20)
        steps = []
        while gone := store.prune(S0 + 15 * NS_PER_S, limit=4):
            steps.append(gone)
        assert steps == [5, 4, 4, 3]
        assert [event.frame_id for event in store.events()] == list(range(15, 20))
        assert store.drops(STREAM) == []
        (audit,) = store.audit()
        assert audit.agrees
        assert audit.book.counts == Counter({Outcome.PASS: 20, Outcome.UNSCORED: 5})


def test_migrations_make_the_tables_of_the_schema(tmp_path: Path) -> None:
    with Store.open(_url(tmp_path)) as store, store.database.begin() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, METADATA) == []


@given(verdicts())
def test_an_event_is_its_row(header: VerdictMessage) -> None:
    """Every field of a verdict is a column and comes back, whatever it is."""
    event = Event.of(header, arrived_ns=S0, evidence="belt/2026-09-21/x.jpg")
    row = event.row()
    assert set(row) == {column.name for column in EVENTS.c}
    assert Event.of_row(row) == event
    assert row["captured_ns"] == header.times.captured_ns
    assert row["memory_version"] == header.provenance.memory_version
    assert row["shadow_outcome"] == (header.shadow and header.shadow.outcome)
    assert row["cache_score_error"] == (header.cache and header.cache.score_error)


def test_a_store_of_newer_software_is_refused(tmp_path: Path) -> None:
    Store.open(_url(tmp_path)).database.close()
    connection = sqlite3.connect(tmp_path / "events.db")
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()
    for opening in (Store.open, Store.open_existing):
        with pytest.raises(StorageError, match="schema 9999, which is newer") as caught:
            opening(_url(tmp_path))
        assert caught.value.exit_code == EXIT_PERMANENT


def test_a_missing_store_is_not_made_by_reading(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"no event store at .*events\.db"):
        Store.open_existing(_url(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_something_else_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "events.db").write_bytes(b"no database" * 1000)
    for opening in (Store.open, Store.open_existing):
        with pytest.raises(StorageError, match=r"events\.db does not work: file is not"):
            opening(_url(tmp_path))
    (tmp_path / "events.db").write_bytes(b"")
    with pytest.raises(StorageError, match="not a Flawline event store"):
        Store.open_existing(_url(tmp_path))


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match=r"file/events\.db"):
        Store.open(_url(tmp_path / "file"))
    with pytest.raises(StorageError, match=r"/proc/flawline/events\.db"):
        Store.open("sqlite:////proc/flawline/events.db")


@pytest.mark.parametrize("url", ["nonsense", "sqlite://", "nodialect://host/db"])
def test_an_unusable_url_is_a_configuration_error(url: str) -> None:
    with pytest.raises(ConfigError, match=r"sinks\.store_url"):
        Store.open(url)


def test_reading_cannot_write(tmp_path: Path) -> None:
    with Store.open(_url(tmp_path)) as store:
        _fill(store, frames=1)
    with Store.open_existing(_url(tmp_path)) as store:
        with pytest.raises(StorageError, match="readonly"):
            store.prune(S0 * 2, limit=1)


def test_event_ids_are_the_same_for_the_same_frame_and_sort_by_time() -> None:
    first = event_id(STREAM, 7, S0)
    assert first == event_id(STREAM, 7, S0)
    assert first[14] == "7"
    assert first[19] in "89ab"
    others = {event_id(STREAM, n, S0) for n in range(1000)}
    assert len(others) == 1000
    assert event_id(StreamKey(*STREAM[:3], STREAM.epoch + 1), 7, S0) != first
    assert first < event_id(STREAM, 0, S0 + NS_PER_S)
