"""The open books, in memory; closed ones are read from the store when somebody asks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from contract.clock import Clock
from contract.messages import Outcome, StreamKey
from sinks.ledger.book import Book
from sinks.recorder.draft import Draft
from sinks.store.store import Store


class OpenBooks:
    """All books of a store. Only `accept` changes them, after a draft was stored.

    Raises:
        StorageError: the store cannot be read; from any method.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._open: dict[StreamKey, Book] = {}
        self._newest: dict[tuple[str, str, str], int] = {}
        for book in store.books(open_only=True):
            book.resume(clock.monotonic_s())
            self._open[book.key] = book

    @property
    def open_books(self) -> Sequence[Book]:
        return tuple(self._open.values())

    def book(self, stream: StreamKey) -> Book | None:
        return self._open.get(stream) or self._store.book(stream)

    def newest_epoch(self, stream: StreamKey) -> int:
        """The newest known epoch of the camera of `stream`."""
        camera = stream[:3]
        if camera not in self._newest:
            self._newest[camera] = self._store.newest_epoch(stream) or 0
        self._newest[camera] = max(self._newest[camera], stream.epoch)
        return self._newest[camera]

    def outcome(self, stream: StreamKey, frame_id: int) -> Outcome | None:
        return self._store.outcome(stream, frame_id)

    def reload(self, streams: Iterable[StreamKey]) -> None:
        """Replace what is in memory about `streams` by what is in the store."""
        for stream in streams:
            self._open.pop(stream, None)
            book = self._store.book(stream)
            if book is not None and not book.closed:
                book.resume(self._clock.monotonic_s())
                self._open[stream] = book

    def changed(self, draft: Draft) -> list[Book]:
        """The books of `draft` that are new or differ from their stored state."""
        return [book for key, book in draft.books.items() if book != self._open.get(key)]

    def accept(self, draft: Draft) -> None:
        """Take over the books of `draft`, which is stored now."""
        for key, book in draft.books.items():
            self._open.pop(key, None)
            if not book.closed:
                self._open[key] = book
