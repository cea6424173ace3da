"""Each sink in a thread of its own: a slow or broken one never delays or stops another."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from tenacity import (
    RetryCallState,
    Retrying,
    sleep_using_event,
    stop_when_event_set,
    wait_random_exponential,
)

from contract.clock import Clock, SystemClock
from contract.progress import Progress
from contract.reasons import DeliveryReason
from sinks.arrival import Arrival
from sinks.metrics.metrics import Metrics

JOIN_S = 0.1
HURRIED_S = 2.0

log = logging.getLogger(__name__)


class Worker(Protocol):
    """Something with a queue and a thread of its own."""

    @property
    def name(self) -> str: ...

    def pending(self) -> int:
        """What was taken but not dealt with."""
        ...

    def work(self, stop: threading.Event) -> None:
        """Deal with what comes until `stop` is set, then finish within a bounded time."""
        ...


class Sink(Worker, Protocol):
    """Where verdicts go.

    Attributes:
        repeats: whether it wants verdicts that are delivered again.
    """

    @property
    def repeats(self) -> bool: ...

    def offer(self, arrival: Arrival) -> bool:
        """Take a verdict without blocking; False when there is no room for it."""
        ...


class Fanout:
    """Offers every verdict to every sink, in the order of `sinks`, and runs their threads.

    Args:
        workers: whose threads run beside them.
    """

    def __init__(
        self,
        sinks: Sequence[Sink],
        metrics: Metrics,
        clock: Clock | None = None,
        *,
        workers: Sequence[Worker] = (),
    ) -> None:
        self._workers = (*sinks, *workers)
        self._sinks = sinks
        self._clock = clock or SystemClock()
        self._metrics = metrics
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=[worker], name=worker.name, daemon=True)
            for worker in self._workers
        ]
        for worker in self._workers:
            metrics.watch_queue(worker.name, worker.pending)

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def offer(self, arrival: Arrival) -> None:
        """Hand `arrival` to every sink that wants it; what does not fit is counted."""
        for sink in self._sinks:
            if (arrival.first or sink.repeats) and not sink.offer(arrival):
                self._metrics.dropped(sink.name, DeliveryReason.QUEUE_FULL)

    @property
    def left(self) -> int:
        """What was taken but not dealt with, over all threads."""
        return sum(worker.pending() for worker in self._workers)

    def stop(self, within_s: float, *, turn: Callable[[], bool] = lambda: True) -> None:
        """Let every sink finish, as long as that gets on.

        What has not finished when nothing moved `within_s` is left behind; sooner once `turn`,
        which is called all the while, says that there is no time.
        """
        self._stop.set()
        progress = Progress(self._clock)
        while busy := [thread for thread in self._threads if thread.is_alive()]:
            progress.note((len(busy), self.left))
            if progress.stalled_s >= (within_s if turn() else min(within_s, HURRIED_S)):
                break
            busy[0].join(JOIN_S)
        for thread in busy:
            log.error("sink %s did not stop within %.0f s", thread.name, progress.stalled_s)
        for worker in self._workers:
            if left := worker.pending():
                log.error("sink %s: %d items were left undone", worker.name, left)

    def _run(self, worker: Worker) -> None:
        def crashed(state: RetryCallState) -> None:
            error = state.outcome.exception() if state.outcome else None
            log.error("sink %s failed, it starts again", worker.name, exc_info=error)
            self._metrics.failed(worker.name, DeliveryReason.CRASHED)

        Retrying(
            wait=wait_random_exponential(multiplier=0.2, max=5.0),
            stop=stop_when_event_set(self._stop),
            sleep=sleep_using_event(self._stop),
            after=crashed,
            retry_error_callback=lambda state: None,
        )(worker.work, self._stop)
