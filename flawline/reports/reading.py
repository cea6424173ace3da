"""From the store to a report: one pass over a line's period, with a CSV on the way if wanted."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Protocol

from contract.clock import NS_PER_S
from contract.config import Config
from contract.messages import Outcome
from flawline.reports.books import audits_of, sound
from flawline.reports.digest import Digest
from flawline.reports.line import LineReport
from flawline.reports.period import Period

if TYPE_CHECKING:
    from sinks.store.event import Event
    from sinks.store.rows import Drop
    from sinks.store.store import Store

DAY_S = 86_400


class Listener(Protocol):
    """Takes every frame of a period, in the order of time."""

    def add(self, event: Event) -> None: ...
    def drop(self, drop: Drop) -> None: ...


def read_line(
    store: Store,
    config: Config,
    line: str,
    period: Period,
    *,
    written_ns: int,
    running: bool | None,
    also: Sequence[Listener] = (),
) -> LineReport:
    """The report of `line`; `also` reads along.

    Args:
        running: whether sinks run that keep the books; None: that cannot be told.

    Raises:
        StorageError: the store does not work.
    """
    digest = Digest()
    read_frames(store, line, period, [digest, *also])
    audits = audits_of(store, line, period)
    return LineReport(
        line=line,
        station=config.station,
        period=period,
        digest=digest,
        audits=audits,
        is_sound=sound(audits, running=running, now_ns=written_ns),
        events=partial(_events, store, line, period),
        evidence_directory=config.evidence_directory,
        written_ns=written_ns,
        kept_since_ns=written_ns - round(config.sinks.event_max_age_days * DAY_S) * NS_PER_S,
    )


def read_frames(store: Store, line: str, period: Period, listeners: Sequence[Listener]) -> None:
    """Give every frame of `line` in `period` to all listeners, page by page.

    An event belongs to the time of its capture, a drop to the time that it was noted.
    """
    from sinks.store.rows import Drop

    since_ns, until_ns = period
    events: Iterator[Event | Drop] = _events(store, line, period, ())
    drops: Iterator[Event | Drop] = store.losses(line=line, since_ns=since_ns, until_ns=until_ns)
    for each in heapq.merge(events, drops, key=_time_ns):
        for reader in listeners:
            if isinstance(each, Drop):
                reader.drop(each)
            else:
                reader.add(each)


def _time_ns(each: Event | Drop) -> int:
    from sinks.store.rows import Drop

    return each.noted_ns if isinstance(each, Drop) else each.times.captured_ns


def _events(
    store: Store, line: str, period: Period, outcomes: Sequence[Outcome]
) -> Iterator[Event]:
    return store.events(
        line=line, outcomes=outcomes, since_ns=period.since_ns, until_ns=period.until_ns
    )
