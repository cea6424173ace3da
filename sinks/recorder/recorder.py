"""The record sink: writes every outcome to the store, then has it acknowledged.

A verdict is acknowledged only after its transaction. While the store fails, the transaction is
tried again for as long as the process runs; what does not fit in the queue meanwhile is not
acknowledged either, and the scorer sends it again.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from tenacity import (
    RetryCallState,
    RetryError,
    Retrying,
    retry_if_exception_type,
    sleep_using_event,
    stop_when_event_set,
    wait_random_exponential,
)

from contract.channels import CHANNELS
from contract.clock import NS_PER_S, Clock
from contract.config_sinks import Sinks
from contract.errors import StorageError
from contract.messages import (
    CameraMessage,
    DropMessage,
    ProcessMessage,
    StatusMessage,
)
from contract.process import Every
from contract.reasons import DELIVERY_REASONS, DeliveryReason
from contract.wall_watch import WallWatch
from sinks.arrival import Arrival, EvidencePath
from sinks.metrics.metrics import Metrics
from sinks.recorder.draft import Draft, Stored
from sinks.recorder.inbox import Inbox, Item
from sinks.recorder.open_books import OpenBooks
from sinks.store.database import RefusedRows, StoreGone
from sinks.store.store import Store

IDLE_S = 0.1
TICK_S = 1.0
PRUNE_ROWS = 1000
DAY_NS = 86_400 * NS_PER_S

Change = Callable[[Draft], None]

log = logging.getLogger(__name__)


class Recorder:
    """Owns the books. `work` runs in a thread of its own; all else is called by the main loop."""

    name = "record"
    repeats = True

    def __init__(
        self,
        store: Store,
        settings: Sinks,
        *,
        clock: Clock,
        metrics: Metrics,
        evidence_path: EvidencePath,
        wall: WallWatch,
    ) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock
        self._metrics = metrics
        self._evidence_path = evidence_path
        self._books = OpenBooks(store, clock)
        self._inbox = Inbox(settings.queue_size, clock)
        self._stored: queue.SimpleQueue[Stored] = queue.SimpleQueue()
        self._tick = Every(TICK_S, clock)
        self._complain = Every(60.0, clock)
        self._contradicted = Every(60.0, clock)
        self._told_pruned = Every(3600.0, clock)
        self._told_clock = Every(3600.0, clock)
        self._wall = wall
        self._pruned = 0
        self._gone: StoreGone | None = None
        metrics.carry_on(self._books.open_books)

    def offer(self, arrival: Arrival) -> bool:
        """Queue a verdict; False when the queue is full."""
        return self._inbox.put(arrival)

    def observe(self, message: StatusMessage) -> None:
        """Queue a message about a stream. Camera totals replace each other."""
        if isinstance(message, ProcessMessage):
            return
        if isinstance(message, CameraMessage):
            self._inbox.put_totals(message)
        elif not self._inbox.put(message):
            self._metrics.dropped(self.name, DeliveryReason.QUEUE_FULL)

    def pending(self) -> int:
        return len(self._inbox)

    def require_store(self) -> None:
        """Refuse to go on with a store whose file is gone: only a new start opens another.

        Raises:
            StoreGone: naming the file. Nothing was acknowledged since, so that all comes again.
        """
        if self._gone is not None:
            raise self._gone

    def stored(self) -> list[Stored]:
        """Deliveries stored since the last call."""
        found = []
        while not self._stored.empty():
            found.append(self._stored.get())
        return found

    def take_over(self, arrivals: Iterable[Arrival]) -> None:
        """Queue what an earlier process judged, however much; before `work` begins."""
        for arrival in arrivals:
            self._inbox.take_over(arrival)

    def work(self, stop: threading.Event) -> None:
        """Keep the books until `stop`, then store what is queued and close what ended."""
        while not stop.is_set():
            self._record(self._inbox.batch(IDLE_S), stop)
            if self._tick.due():
                self._keep_house(stop)
                self._prune()
        while batch := self._inbox.batch():
            if not self._record(batch, stop):
                return
        self._keep_house(stop)
        self._commit(self._settle_ended, stop)

    def _record(self, batch: Sequence[Item], stop: threading.Event) -> bool:
        """Store `batch`; if the store refuses it, each item by itself. False: not stored."""
        try:
            return self._commit(lambda draft: self._enter(draft, batch), stop)
        except RefusedRows as error:
            log.warning("%s; trying one by one", error)
        # The store may hold more than memory knows, if a commit was reported as failed.
        self._books.reload({item.stream for item in batch})
        return all(self._record_one(item, stop) for item in batch)

    def _record_one(self, item: Item, stop: threading.Event) -> bool:
        try:
            return self._commit(lambda draft: self._enter(draft, [item]), stop)
        except RefusedRows as error:
            log.error("not stored: %s", error)
            self._metrics.failed(self.name, DeliveryReason.REFUSED)
            return True

    def _enter(self, draft: Draft, items: Sequence[Item]) -> None:
        for item in items:
            if isinstance(item, Arrival):
                draft.verdict(item, self._evidence_path(item))
            elif isinstance(item, DropMessage):
                draft.drop(item)
            else:
                draft.end(item)

    def _keep_house(self, stop: threading.Event) -> None:
        """Camera totals, lost frames, and the ends of streams that a newer epoch replaced."""
        totals = self._inbox.totals()

        def enter(draft: Draft) -> None:
            for message in totals:
                draft.camera(message)
            for stream in {book.key for book in self._books.open_books} | draft.books.keys():
                if stream.epoch < self._books.newest_epoch(stream):
                    draft.supersede(stream)
                draft.expire(stream, self._settings.lost_after_s)

        if self._commit(enter, stop):
            self._inbox.done(totals, still_open={book.key for book in self._books.open_books})

    def _settle_ended(self, draft: Draft) -> None:
        """At the end: no news will come about streams that ended or whose camera is silent."""
        silent_s = CHANNELS["status"].silent_after_s or 0
        for book in self._books.open_books:
            if book.ended or self._inbox.is_silent(book.key, after_s=silent_s):
                draft.lose_all(book.key)

    def _commit(self, change: Change, stop: threading.Event) -> bool:
        """Work `change` out and store it, again and again until it works or `stop` is set."""
        retrying = Retrying(
            retry=retry_if_exception_type(StorageError),
            wait=wait_random_exponential(multiplier=0.1, max=2.0),
            stop=stop_when_event_set(stop),
            sleep=sleep_using_event(stop),
            before_sleep=self._failed,
        )
        try:
            retrying(self._commit_once, change)
        except RetryError:
            self._metrics.failed(self.name, DeliveryReason.STORAGE)
            log.error("stopped while the store does not work: the newest outcomes are not in it")
            return False
        return True

    def _commit_once(self, change: Change) -> None:
        draft = Draft(self._books, now_ns=self._clock.wall_ns(), now_s=self._clock.monotonic_s())
        change(draft)
        changed = self._books.changed(draft)
        draft.finish()
        if changed or draft.events or draft.drops:
            self._store.write(events=draft.events, drops=draft.drops, books=changed)
        self._books.accept(draft)
        for delivery in draft.deliveries:
            self._stored.put(delivery)
        self._metrics.booked(
            draft.tally,
            contradictions=draft.contradictions,
            told_otherwise=Counter(stream for stream, _ in draft.told_otherwise),
        )
        self._metrics.open_frames(sum(book.open_frames for book in self._books.open_books))
        if draft.contradictions and self._contradicted.due():
            log.warning("frames were given a second outcome, ignored: %s", draft.contradictions)
        for stream, frame_id in draft.told_otherwise:
            log.error("the PLC was told what is not booked: frame %d of %s", frame_id, stream)

    def _failed(self, state: RetryCallState) -> None:
        self._metrics.failed(self.name, DeliveryReason.STORAGE)
        error = state.outcome.exception() if state.outcome else None
        self._noted(error)
        if self._complain.due():
            log.error("%s; trying again, nothing is acknowledged", error)

    def _noted(self, error: BaseException | None) -> None:
        if isinstance(error, StoreGone):
            self._gone = error

    def _prune(self) -> None:
        now_ns = self._wall.now_ns()
        if now_ns is None:
            if self._told_clock.due():
                self._metrics.failed(self.name, DeliveryReason.CLOCK)
                log.warning("%s", DELIVERY_REASONS[DeliveryReason.CLOCK].text)
            return
        oldest_ns = now_ns - round(self._settings.event_max_age_days * DAY_NS)
        try:
            pruned = self._store.prune(oldest_ns, limit=PRUNE_ROWS)
        except StorageError as error:
            self._metrics.failed(self.name, DeliveryReason.PRUNE)
            self._noted(error)
            if self._complain.due():
                log.warning("old events stay: %s", error)
            return
        self._metrics.pruned(pruned)
        self._pruned += pruned
        if self._pruned and self._told_pruned.due():
            days = self._settings.event_max_age_days
            log.info("%d events and drops older than %g days were deleted", self._pruned, days)
            self._pruned = 0
