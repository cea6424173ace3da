"""The ledger as people read it: whether the books are sound, and those of a line's period."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from flawline.reports.period import Period

if TYPE_CHECKING:
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
    from sinks.store.audit import recount

    audits = []
    for book in store.books():
        # A station that was switched off closes its books when it starts again.
        last_ns = max(book.updated_ns, book.opened_ns)
        if book.key.line != line or book.opened_ns >= period.until_ns or last_ns < period.since_ns:
            continue
        with store.database.begin() as connection:
            audits.append(recount(connection, book.key))
    return audits
