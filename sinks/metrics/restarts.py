"""How often the supervisor had to start processes again: what each process was told of itself.

The totals are those of the supervisor's run, so they outlast a restart of the sinks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from contract.messages import CameraMessage, ProcessMessage, StatusMessage
from contract.reasons import RestartReason


class Restarts(Collector):
    """Restarts per process and reason, as the newest message of each has them."""

    def __init__(self) -> None:
        self._totals: dict[str, Mapping[str, int]] = {}

    def observe(self, message: StatusMessage) -> None:
        """Take note of a heartbeat; other messages say nothing of restarts."""
        if isinstance(message, ProcessMessage | CameraMessage):
            # None: nobody supervises it.
            if message.process_restarts is not None:
                self._totals[message.process] = {
                    reason: message.process_restarts.get(reason, 0) for reason in RestartReason
                }

    def collect(self) -> Iterator[CounterMetricFamily]:
        restarts = CounterMetricFamily(
            "flawline_process_restarts",
            "Restarts of a process by its supervisor: it exited, or it hung and was killed",
            labels=("process", "reason"),
        )
        for process, totals in self._totals.copy().items():
            for reason, count in totals.items():
                restarts.add_metric([process, reason], count)
        yield restarts
