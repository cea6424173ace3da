"""The next transaction of the store, worked out on copies of the books. No threads, no clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final, NamedTuple, Protocol

from contract.messages import (
    CameraMessage,
    DropMessage,
    EndOfStreamMessage,
    Outcome,
    StreamKey,
)
from contract.reasons import Reason
from sinks.arrival import Arrival
from sinks.ledger.book import Book, Settled
from sinks.ledger.intervals import Range, size
from sinks.store.event import Event
from sinks.store.rows import Drop

SPOILED: Final = frozenset({Outcome.LATE, Outcome.INVALID})
"""What the sinks may have made of a verdict, which comes again as it was sent."""


class Library(Protocol):
    """Where books and outcomes of earlier transactions are."""

    def book(self, stream: StreamKey) -> Book | None: ...
    def newest_epoch(self, stream: StreamKey) -> int | None: ...
    def outcome(self, stream: StreamKey, frame_id: int) -> Outcome | None: ...


class Stored(NamedTuple):
    """A delivery that is in the store.

    Attributes:
        identity: of the sender, who waits for the acknowledgement; empty: nobody waits.
    """

    identity: bytes
    delivery_id: int
    stream: StreamKey
    frame_id: int


class Draft:
    """Changes to books with the rows that prove them.

    Attributes:
        books: working copies of every book that was touched.
        tally: frames that were settled here.
        contradictions: frames that somebody wanted to give a second, different outcome.
        told_otherwise: streams and frames of which the PLC was told what the book does not say.
        deliveries: what is stored once this draft is.
    """

    def __init__(self, library: Library, *, now_ns: int, now_s: float) -> None:
        self._library = library
        self._now_ns = now_ns
        self._now_s = now_s
        self._outcomes: dict[tuple[StreamKey, int], Outcome] = {}
        self.books: dict[StreamKey, Book] = {}
        self.events: list[Event] = []
        self.drops: list[Drop] = []
        self.tally: Counter[Settled] = Counter()
        self.contradictions: Counter[StreamKey] = Counter()
        self.told_otherwise: list[tuple[StreamKey, int]] = []
        self.deliveries: list[Stored] = []

    def book(self, stream: StreamKey) -> Book:
        """The working copy of the book of `stream`, opened if there is none."""
        if stream not in self.books:
            stored = self._library.book(stream)
            book = stored.copy() if stored else Book(stream, opened_ns=self._now_ns)
            newest = self._library.newest_epoch(stream)
            if newest is not None and newest > stream.epoch:
                book.close(book.admitted, self._now_s)
            self.books[stream] = book
        return self.books[stream]

    def verdict(self, arrival: Arrival, evidence: str | None) -> None:
        """Book a verdict; one that is delivered again changes nothing but is acknowledged."""
        header = arrival.header
        frame = (header.stream, header.frame_id)
        book = self.book(header.stream)
        if book.settle(header.frame_id, header.outcome, header.reason, self._now_s):
            self._outcomes[frame] = header.outcome
            self.events.append(
                Event.of(
                    header,
                    arrived_ns=arrival.arrived_ns,
                    evidence=evidence,
                    plc=arrival.telling,
                )
            )
            self.tally[Settled(header.stream, header.outcome, header.reason)] += 1
            self._tell(book, arrival, header.outcome)
        else:
            before = self._outcomes.get(frame) or self._library.outcome(*frame)
            if before not in {arrival.sent, header.outcome} | SPOILED:
                self.contradictions[header.stream] += 1
            if before is None and (arrival.first or not arrival.identity):
                # Booked without a verdict: as lost, or dropped.
                self._tell(book, arrival, Outcome.UNSCORED)
        self.deliveries.append(Stored(arrival.identity, header.delivery_id, *frame))

    def _tell(self, book: Book, arrival: Arrival, booked: Outcome) -> None:
        """Note what the PLC was told of a frame that is booked as `booked`."""
        telling = arrival.telling
        if telling is None:
            return
        book.told[telling.told] += 1
        if telling.contradicts(booked, judged=arrival.header.outcome):
            book.told_otherwise += 1
            self.told_otherwise.append((book.key, arrival.header.frame_id))

    def drop(self, message: DropMessage) -> None:
        """Book frames that ingest gave up."""
        first, last = message.first_frame_id, message.last_frame_id
        new = self.book(message.stream).settle_range(
            first, last, Outcome.UNSCORED, message.reason, self._now_s
        )
        self._note(message.stream, new, message.reason)
        contradicted = last - first + 1 - size(new)
        if contradicted:
            self.contradictions[message.stream] += contradicted

    def camera(self, message: CameraMessage) -> None:
        """Book running totals."""
        book = self.book(message.stream)
        book.admit(message.admitted, self._now_s)
        book.decoded = max(book.decoded, message.decoded)

    def end(self, message: EndOfStreamMessage) -> None:
        """Book the end of a stream."""
        book = self.book(message.stream)
        book.close(message.admitted, self._now_s)
        book.decoded = max(book.decoded, message.decoded)

    def supersede(self, stream: StreamKey) -> None:
        """A newer epoch of this camera runs: no more frames will come in this one."""
        book = self.book(stream)
        book.close(book.admitted, self._now_s)

    def expire(self, stream: StreamKey, after_s: float) -> None:
        """Give up frames of `stream` that nobody explained within `after_s`."""
        self._note(stream, self.book(stream).expire(self._now_s, after_s), Reason.LOST)

    def lose_all(self, stream: StreamKey) -> None:
        """Give up all open frames of `stream`."""
        self._note(stream, self.book(stream).lose_all(), Reason.LOST)

    def finish(self) -> None:
        """Stamp the books; to be called last."""
        for book in self.books.values():
            book.updated_ns = self._now_ns
            if not book.closed:
                book.closed_ns = None
            elif book.closed_ns is None:
                book.closed_ns = self._now_ns

    def _note(self, stream: StreamKey, ranges: Iterable[Range], reason: str) -> None:
        for first, last in ranges:
            self.drops.append(
                Drop(
                    **stream._asdict(),
                    first_frame_id=first,
                    last_frame_id=last,
                    reason=reason,
                    noted_ns=self._now_ns,
                )
            )
            self.tally[Settled(stream, Outcome.UNSCORED, reason)] += last - first + 1
