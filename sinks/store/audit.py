"""Recounting the books from their rows, and deleting old rows without upsetting the count."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass

import sqlalchemy as sa

from contract.messages import Outcome, StreamKey
from sinks.ledger.book import Book
from sinks.store.rows import book_from_row
from sinks.store.schema import DROPS, EVENTS, LEDGER, is_stream

_DROP_SIZE = DROPS.c.last_frame_id - DROPS.c.first_frame_id + 1


@dataclass(frozen=True)
class Audit:
    """A book beside what its rows say.

    Attributes:
        recounted: frames per outcome by counting event and drop rows, and those deleted by age.
        overlaps: times that two rows speak of the same frame.
    """

    book: Book
    recounted: Counter[Outcome]
    overlaps: int

    @property
    def agrees(self) -> bool:
        """Whether the rows say what the ledger says, and no frame is told twice."""
        return self.recounted == self.book.counts and self.overlaps == 0


def recount(connection: sa.Connection, stream: StreamKey) -> Audit:
    """Count the book of `stream` again from its rows, in one snapshot."""
    row = connection.execute(sa.select(LEDGER).where(is_stream(LEDGER, stream))).mappings().one()
    book = book_from_row(row)
    of_events = is_stream(EVENTS, stream)
    of_drops = is_stream(DROPS, stream)
    recounted = Counter[Outcome]()
    per_outcome = (
        sa.select(EVENTS.c.outcome, sa.func.count()).where(of_events).group_by(EVENTS.c.outcome)
    )
    for outcome, count in connection.execute(per_outcome):
        recounted[Outcome(outcome)] += count
    dropped = connection.scalar(sa.select(sa.func.sum(_DROP_SIZE)).where(of_drops))
    recounted[Outcome.UNSCORED] += int(dropped or 0)
    for outcome, count in row["pruned"].items():
        recounted[Outcome(outcome)] += count
    return Audit(book, recounted, _overlaps(connection, stream))


def prune(connection: sa.Connection, before_ns: int, limit: int) -> int:
    """Delete up to `limit` events and as many drops from before `before_ns`; how many rows."""
    gone: defaultdict[StreamKey, Counter[str]] = defaultdict(Counter)
    old_events = (
        sa.select(*EVENTS.c["event_id", "station", "line", "camera", "epoch", "outcome"])
        .where(EVENTS.c.captured_ns < before_ns)
        .order_by(EVENTS.c.captured_ns)
        .limit(limit)
    )
    events = connection.execute(old_events).all()
    for event in events:
        gone[StreamKey(*event[1:5])][event.outcome] += 1
    old_drops = (
        sa.select(*DROPS.c["id", "station", "line", "camera", "epoch"], _DROP_SIZE.label("size"))
        .where(DROPS.c.noted_ns < before_ns)
        .order_by(DROPS.c.noted_ns)
        .limit(limit)
    )
    drops = connection.execute(old_drops).all()
    for drop in drops:
        gone[StreamKey(*drop[1:5])][Outcome.UNSCORED] += drop.size
    for stream, counts in gone.items():
        ours = is_stream(LEDGER, stream)
        pruned = connection.scalar(sa.select(LEDGER.c.pruned).where(ours))
        connection.execute(
            sa.update(LEDGER).where(ours).values(pruned=dict(Counter(pruned) + counts))
        )
    for key, rows in ((EVENTS.c.event_id, events), (DROPS.c.id, drops)):
        if rows:
            connection.execute(sa.delete(key.table).where(key.in_([row[0] for row in rows])))
    return len(events) + len(drops)


def _overlaps(connection: sa.Connection, stream: StreamKey) -> int:
    """Frames that two rows speak of, found in one walk along the stream."""
    events = sa.select(EVENTS.c.frame_id.label("first"), EVENTS.c.frame_id.label("last")).where(
        is_stream(EVENTS, stream)
    )
    drops = sa.select(DROPS.c.first_frame_id, DROPS.c.last_frame_id).where(is_stream(DROPS, stream))
    spans = sa.union_all(events, drops).subquery()
    furthest, overlaps = -1, 0
    for first, last in connection.execute(sa.select(spans).order_by(spans.c.first)):
        overlaps += first <= furthest
        furthest = max(furthest, last)
    return overlaps
