"""The ledger as people read it: whether the books are sound, and those of a line's period."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from flawline.reports.period import Period

if TYPE_CHECKING:
    from sinks.ledger.book import Book
    from sinks.store.audit import Audit
    from sinks.store.store import Store


def sound(audits: Sequence[Audit]) -> bool:
    """Whether every book says what its rows say and, once ended, has an outcome for every frame.

    Until its stream has ended, frames may be in flight.
    """
    return all(a.agrees and (a.book.balanced or not a.book.ended) for a in audits)


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
