"""A database by URL: SQLite (tuned for one writer that must not lose anything) or another."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, IntegrityError

from contract.errors import ConfigError, FlawlineError, StorageError


@dataclass(frozen=True)
class Mode:
    """How SQLite is opened: what is set on each connection, and how a transaction begins."""

    pragmas: tuple[str, ...]
    begin: str


WRITE = Mode(("busy_timeout=5000", "journal_mode=WAL", "synchronous=FULL"), "BEGIN IMMEDIATE")
SQLITE_FILES = ("", "-wal", "-shm")
READ = Mode(("busy_timeout=5000", "query_only=ON"), "BEGIN")
HEADER: Final = b"SQLite format 3\0"
DAMAGE: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})

log = logging.getLogger(__name__)


class RefusedRows(FlawlineError, ValueError):
    """Rows that the database will never take; trying again is of no use."""


class StoreGone(StorageError):
    """The file that is written to is not the one that the store's path names any more."""


class StoreDamaged(StoreGone):
    """What is in the file is not what was written there: it cannot be used any more."""


class Database:
    """An engine, and the place it stands for in messages.

    SQLite goes on writing to a file that was removed or replaced: what is stored there is lost
    with the last process that has it open. So each transaction that writes looks whether its file
    still has its name, and fails otherwise.

    Attributes:
        where: the SQLite file, or the URL without its password.
        path: the SQLite file, if it is one.
        writes: whether it is opened to be written.
    """

    def __init__(self, url: str, *, mode: Mode) -> None:
        """Prepare the connection to `url`; nothing is opened yet.

        Raises:
            ConfigError: not a usable URL, or its driver is not installed.
        """
        try:
            parsed = sa.make_url(url)
            is_sqlite = parsed.get_backend_name() == "sqlite"
            # One snapshot per transaction, which SQLite gives without being asked.
            options = {} if is_sqlite else {"isolation_level": "REPEATABLE READ"}
            self.engine = sa.create_engine(parsed, **options)
        except (ArgumentError, ModuleNotFoundError) as error:
            raise ConfigError("sinks.store_url is not usable", str(error)) from None
        self.path: Path | None = None
        self.where = parsed.render_as_string(hide_password=True)
        if is_sqlite:
            if not parsed.database or parsed.database == ":memory:":
                raise ConfigError("sinks.store_url is in memory", "give a file: sqlite:///PATH")
            self.path = Path(parsed.database)
            self.where = str(self.path)
            self._listen(mode)
        self.writes = mode is WRITE
        self._file: tuple[int, int] | None = None

    @property
    def files(self) -> list[Path]:
        """The files of SQLite: the database, its log, and the log's index."""
        path = self.path
        return [] if path is None else [path.with_name(path.name + end) for end in SQLITE_FILES]

    def close(self) -> None:
        self.engine.dispose()

    @property
    def is_foreign(self) -> bool:
        """Whether the file was never one of SQLite's."""
        if self.path is not None:
            with suppress(OSError), self.path.open("rb") as file:
                return file.read(len(HEADER)) != HEADER
        return True

    def set_aside(self) -> None:
        """Close it, and move its files out of the way of a new one; the log says where to."""
        self.close()
        if self.path is None:
            return
        aside = self.path.with_name(f"{self.path.name}.damaged-{time.time_ns()}")
        try:
            for path, end in zip(self.files, SQLITE_FILES, strict=True):
                with suppress(FileNotFoundError):
                    path.rename(aside.with_name(aside.name + end))
        except OSError as error:
            log.error("%s is damaged and cannot be moved away: %s", self.where, error.strerror)
        else:
            log.error("%s was damaged and is now %s; the next start begins anew", self.where, aside)

    @contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        """A transaction: committed at the end, rolled back on an error.

        Raises:
            StorageError: the database does not work, now or at all.
            StoreGone: its file was removed or replaced; it must be opened anew.
            StoreDamaged: it has to be set aside before.
            RefusedRows: it works but does not accept these rows.
        """
        try:
            with self.engine.begin() as connection:
                yield connection
                self._require_same_file()
        except (IntegrityError, DataError) as error:
            raise RefusedRows(f"{self.where} refused rows", str(error.orig)) from error
        except DBAPIError as error:
            kind = StoreDamaged if _is_damage(error.orig) else StorageError
            raise kind(f"event store {self.where} does not work", str(error.orig)) from error

    def _require_same_file(self) -> None:
        if not self.writes or self.path is None:
            return
        try:
            status = self.path.stat()
        except OSError as error:
            raise StoreGone(f"event store {self.where} is gone", error.strerror or "") from None
        found = status.st_dev, status.st_ino
        self._file = self._file or found
        if found != self._file:
            raise StoreGone(f"event store {self.where} was replaced by another file")

    def _listen(self, mode: Mode) -> None:
        @sa.event.listens_for(self.engine, "connect")
        def _on_connect(connection: Any, record: Any) -> None:
            # The driver's own transactions would leave reads and DDL outside of them.
            connection.isolation_level = None
            for pragma in mode.pragmas:
                connection.execute(f"PRAGMA {pragma}").close()

        @sa.event.listens_for(self.engine, "begin")
        def _on_begin(connection: sa.Connection) -> None:
            connection.exec_driver_sql(mode.begin)


def _is_damage(error: BaseException | None) -> bool:
    """Whether SQLite says so; the low byte of its code is the primary one."""
    return isinstance(error, sqlite3.Error) and (error.sqlite_errorcode & 0xFF) in DAMAGE
