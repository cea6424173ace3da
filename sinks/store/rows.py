"""Books and drops as rows of the store, and back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from contract.messages import Outcome, StreamKey
from contract.telling import Told
from sinks.ledger.book import Book
from sinks.ledger.intervals import Intervals
from sinks.store.schema import count_column


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """Frames that ended UNSCORED without a verdict of their own; both ends included."""

    station: str
    line: str
    camera: str
    epoch: int
    first_frame_id: int
    last_frame_id: int
    reason: str
    noted_ns: int


def book_to_row(book: Book) -> dict[str, Any]:
    """All but the key of `book` and what retention took from it."""
    return {
        "state": "closed" if book.closed else "open",
        "ended": book.ended,
        "decoded": book.decoded,
        "admitted": book.admitted,
        **{count_column(outcome): book.counts[outcome] for outcome in Outcome},
        "unscored_reasons": dict(book.unscored),
        "told": dict(book.told),
        "told_otherwise": book.told_otherwise,
        "settled": book.settled.ranges(),
        "opened_ns": book.opened_ns,
        "closed_ns": book.closed_ns,
        "updated_ns": book.updated_ns,
    }


def book_from_row(row: Mapping[Any, Any]) -> Book:
    return Book(
        key=StreamKey(row["station"], row["line"], row["camera"], row["epoch"]),
        opened_ns=row["opened_ns"],
        updated_ns=row["updated_ns"],
        closed_ns=row["closed_ns"],
        decoded=row["decoded"],
        admitted=row["admitted"],
        ended=row["ended"],
        counts=Counter({outcome: row[count_column(outcome)] for outcome in Outcome}),
        unscored=Counter(row["unscored_reasons"]),
        told=Counter({Told(told): count for told, count in row["told"].items()}),
        told_otherwise=row["told_otherwise"],
        settled=Intervals((first, last) for first, last in row["settled"]),
    )
