"""The ledger as people read it: whether the books are sound, and those of a line's period."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from contract.clock import NS_PER_S
from contract.errors import StorageError
from flawline.reports.period import Period

if TYPE_CHECKING:
    from sinks.ledger.book import Book
    from sinks.store.audit import Audit
    from sinks.store.store import Store

KEPT_NS = 60 * NS_PER_S


def sound(audits: Sequence[Audit], *, running: bool | None, now_ns: int) -> bool:
    """Whether every book says what its rows say and the PLC was told, and is closed or being kept.

    Args:
        running: whether sinks run that keep the books; None: that cannot be told.
    """
    return all(
        audit.agrees
        and not audit.book.told_otherwise
        and (audit.book.closed or is_kept(audit.book, running=running, now_ns=now_ns))
        for audit in audits
    )


def is_kept(book: Book, *, running: bool | None, now_ns: int) -> bool:
    """Whether news may still come about an open book: its frames are in flight, none is missing.

    What was admitted after the last report to sinks that do not run any more, no book knows.
    """
    if running is None:
        running = now_ns - book.updated_ns < KEPT_NS
    return running


def close_all(store: Store, journal: Path, *, now_ns: int) -> list[Book]:
    """Close the open books of a station that does not run: frames without an outcome are lost.

    What was judged, and may have been told, is booked first, and the journal removed.

    Raises:
        StorageError: the store cannot be written, or the journal not read or removed.
    """
    from sinks.evidence.evidence import evidence_path
    from sinks.journal import read_notes
    from sinks.recorder.draft import Draft

    draft = Draft(store, now_ns=now_ns, now_s=0.0)
    notes, num_odd = read_notes(journal)
    for arrival, _ in notes:
        draft.verdict(arrival, evidence_path(arrival))
    for stream in {book.key for book in store.books(open_only=True)} | draft.books.keys():
        draft.supersede(stream)
        draft.lose_all(stream)
    draft.finish()
    store.write(events=draft.events, drops=draft.drops, books=draft.books.values())
    if not num_odd:  # Else the next sinks say so.
        try:
            journal.unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(f"cannot remove {journal}: {error.strerror}") from None
    return list(draft.books.values())


def audits_of(store: Store, line: str, period: Period) -> list[Audit]:
    """The books of `line` that were open in `period`, each recounted as a whole.

    Raises:
        StorageError: the store does not work.
    """

    def was_open(book: Book) -> bool:
        # A station that was switched off closes its books when it starts again.
        last_ns = max(book.updated_ns, book.opened_ns)
        return book.opened_ns < period.until_ns and last_ns >= period.since_ns

    books = [book for book in store.books() if book.key.line == line and was_open(book)]
    return list(store.audit(books))
