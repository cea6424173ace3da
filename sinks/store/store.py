"""The event store: events, drops and the ledger.

The sinks write it; command line and report read it, with or without running sinks. Every method
raises StorageError, naming the place, when the database does not work.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from types import TracebackType
from typing import Any, Self

import sqlalchemy as sa

from contract.errors import StorageError
from contract.files import shut_out_others
from contract.messages import Outcome, StreamKey
from sinks.ledger.book import Book
from sinks.store import audit, migrate
from sinks.store.database import READ, WRITE, Database, StoreDamaged
from sinks.store.event import Event
from sinks.store.rows import Drop, book_from_row, book_to_row
from sinks.store.schema import DROPS, EVENTS, LEDGER, is_stream

PAGE = 1000


class Store:
    """Use as a context manager, made by `open` or `open_existing`.

    Left with `StoreDamaged`, one that is written sets its files aside: the next begins anew.
    """

    def __init__(self, database: Database) -> None:
        self.database = database

    @classmethod
    def open(cls, url: str) -> Self:
        """The store at `url` to write, made or brought up to date if needed.

        Raises:
            ConfigError: not a usable URL, or its driver is not installed.
            StorageError: it cannot be written, or newer software wrote it.
            StoreDamaged: it was damaged and is set aside; the next call begins another.
        """
        database = Database(url, mode=WRITE)
        try:
            if database.path is not None:
                database.path.parent.mkdir(parents=True, exist_ok=True)
            with database.begin() as connection:
                migrate.upgrade(connection, where=database.where)
            shut_out_others(*database.files)
        except OSError as error:
            database.close()
            if isinstance(error, StoreDamaged) and not database.is_foreign:
                database.set_aside()
            if isinstance(error, StorageError):
                raise
            raise StorageError(f"cannot write {database.where}: {error.strerror}") from error
        return cls(database)

    @classmethod
    def open_existing(cls, url: str) -> Self:
        """The store at `url` to read, as it is.

        Raises:
            ConfigError: as `open`.
            StorageError: there is none, or other software wrote it.
        """
        database = Database(url, mode=READ)
        if database.path is not None and not database.path.is_file():
            raise StorageError(
                f"there is no event store at {database.where}",
                "check data_directory, or start the sinks once",
            )
        try:
            with database.begin() as connection:
                migrate.check(connection, where=database.where)
        except StorageError:
            database.close()
            raise
        return cls(database)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, StoreDamaged) and self.database.writes:
            self.database.set_aside()
        self.database.close()

    def write(
        self, *, events: Sequence[Event], drops: Sequence[Drop], books: Iterable[Book]
    ) -> None:
        """Store all of this, or nothing.

        Raises:
            RefusedRows: a row that can never be stored, such as a second one for a frame.
        """
        with self.database.begin() as connection:
            if events:
                connection.execute(sa.insert(EVENTS), [event.row() for event in events])
            if drops:
                connection.execute(sa.insert(DROPS), [asdict(drop) for drop in drops])
            for book in books:
                row = book_to_row(book)
                stored = connection.execute(
                    sa.update(LEDGER).where(is_stream(LEDGER, book.key)).values(row)
                )
                if not stored.rowcount:
                    key = book.key._asdict()
                    connection.execute(sa.insert(LEDGER).values(**key, **row, pruned={}))

    def books(self, *, open_only: bool = False, since_epoch: int = 0) -> list[Book]:
        """All books, or those not closed, or of streams from an epoch on; oldest first."""
        query = sa.select(LEDGER).order_by(LEDGER.c.epoch, LEDGER.c.line, LEDGER.c.camera)
        query = query.where(LEDGER.c.epoch >= since_epoch)
        if open_only:
            query = query.where(LEDGER.c.state == "open")
        return [book_from_row(row) for row in self._rows(query)]

    def book(self, stream: StreamKey) -> Book | None:
        """The book of `stream`, if there is one."""
        rows = self._rows(sa.select(LEDGER).where(is_stream(LEDGER, stream)))
        return book_from_row(rows[0]) if rows else None

    def newest_epoch(self, stream: StreamKey) -> int | None:
        """The newest epoch of the camera that `stream` belongs to, if it has a book."""
        query = sa.select(sa.func.max(LEDGER.c.epoch)).where(
            LEDGER.c.station == stream.station,
            LEDGER.c.line == stream.line,
            LEDGER.c.camera == stream.camera,
        )
        with self.database.begin() as connection:
            newest: int | None = connection.scalar(query)
            return newest

    def outcome(self, stream: StreamKey, frame_id: int) -> Outcome | None:
        """The outcome of a frame that has an event of its own."""
        query = sa.select(EVENTS.c.outcome).where(
            is_stream(EVENTS, stream), EVENTS.c.frame_id == frame_id
        )
        with self.database.begin() as connection:
            found = connection.scalar(query)
        return None if found is None else Outcome(found)

    def newest_frames(self, *, limit: int) -> list[tuple[StreamKey, int]]:
        """Stream and frame of the `limit` events that were captured last, oldest first."""
        columns = EVENTS.c["station", "line", "camera", "epoch", "frame_id"]
        newest = EVENTS.c.captured_ns.desc(), EVENTS.c.event_id.desc()
        with self.database.begin() as connection:
            rows = connection.execute(sa.select(*columns).order_by(*newest).limit(limit)).all()
        return [(StreamKey(*row[:4]), row.frame_id) for row in rows[::-1]]

    def event(self, event_id: str) -> Event | None:
        """The event with this id, if there is one."""
        return self._event(sa.select(EVENTS).where(EVENTS.c.event_id == event_id))

    def newest(self, *, line: str, outcome: Outcome) -> Event | None:
        """The event of `line` with this outcome that was captured last, if there is one."""
        query = (
            sa.select(EVENTS)
            .where(EVENTS.c.line == line, EVENTS.c.outcome == outcome.value)
            .order_by(EVENTS.c.captured_ns.desc(), EVENTS.c.event_id.desc())
            .limit(1)
        )
        return self._event(query)

    def events(
        self,
        *,
        line: str | None = None,
        outcomes: Sequence[Outcome] = (),
        since_ns: int | None = None,
        until_ns: int | None = None,
    ) -> Iterator[Event]:
        """Events in the order of capture, `since_ns` included, `until_ns` not.

        Read page by page: a slow reader holds nothing open, and events that arrive meanwhile
        with a later capture time are found.
        """
        query = sa.select(EVENTS)
        if line is not None:
            query = query.where(EVENTS.c.line == line)
        if outcomes:
            query = query.where(EVENTS.c.outcome.in_([outcome.value for outcome in outcomes]))
        if since_ns is not None:
            query = query.where(EVENTS.c.captured_ns >= since_ns)
        if until_ns is not None:
            query = query.where(EVENTS.c.captured_ns < until_ns)
        for row in self._paged(query, EVENTS.c.captured_ns, EVENTS.c.event_id):
            yield Event.of_row(dict(row))

    def losses(self, *, line: str, since_ns: int, until_ns: int) -> Iterator[Drop]:
        """The drops of `line` noted from `since_ns` until before `until_ns`, in that order.

        Read page by page, as events are.
        """
        query = sa.select(DROPS).where(
            DROPS.c.line == line, DROPS.c.noted_ns >= since_ns, DROPS.c.noted_ns < until_ns
        )
        for row in self._paged(query, DROPS.c.noted_ns, DROPS.c.id):
            yield Drop(**{name: value for name, value in row.items() if name != "id"})

    def newest_scored(self, line: str, *, since_ns: int) -> Event | None:
        """The newest event of `line` that has a score, captured `since_ns` or later."""
        query = (
            sa.select(EVENTS)
            .where(
                EVENTS.c.line == line,
                EVENTS.c.captured_ns >= since_ns,
                EVENTS.c.anomaly_score.is_not(None),
            )
            .order_by(EVENTS.c.captured_ns.desc())
            .limit(1)
        )
        return self._event(query)

    def drops(self, stream: StreamKey) -> list[Drop]:
        """The ranges of `stream` that ended without verdicts, in order."""
        columns = [column for column in DROPS.c if column.name != "id"]
        query = sa.select(*columns).where(is_stream(DROPS, stream)).order_by(DROPS.c.first_frame_id)
        return [Drop(**row) for row in self._rows(query)]

    def audit(self, books: Iterable[Book] | None = None) -> Iterator[audit.Audit]:
        """Books, recounted from their rows; None: all."""
        for book in self.books() if books is None else books:
            with self.database.begin() as connection:
                yield audit.recount(connection, book.key)

    def prune(self, before_ns: int, *, limit: int) -> int:
        """Delete up to `limit` events and drops from before `before_ns`; how many went.

        The ledger notes how many, so that the audit still adds up.
        """
        with self.database.begin() as connection:
            return audit.prune(connection, before_ns, limit)

    def _paged(self, query: sa.Select[Any], *order: sa.Column[Any]) -> Iterator[sa.RowMapping]:
        """Rows in an order that no two of them share; each page asks for what follows the last."""
        query = query.order_by(*order).limit(PAGE)
        page = self._rows(query)
        while page:
            yield from page
            if len(page) < PAGE:
                return
            last = tuple(page[-1][column] for column in order)
            page = self._rows(query.where(sa.tuple_(*order) > last))

    def _event(self, query: sa.Select[Any]) -> Event | None:
        rows = self._rows(query)
        return Event.of_row(dict(rows[0])) if rows else None

    def _rows(self, query: sa.Select[Any]) -> Sequence[sa.RowMapping]:
        with self.database.begin() as connection:
            return connection.execute(query).mappings().all()
