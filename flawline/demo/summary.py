"""What a run found: counts, latencies and rates out of the store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from contract.clock import NS_PER_S
from contract.messages import Outcome

if TYPE_CHECKING:
    from sinks.store.audit import Audit
    from sinks.store.event import Event

STAGES: Final = (
    ("decode", "captured_ns", "decoded_ns"),
    ("queue", "decoded_ns", "received_ns"),
    ("score", "received_ns", "scored_ns"),
    ("deliver", "emitted_ns", "arrived_ns"),
    ("capture to verdict", "captured_ns", "arrived_ns"),
)


class FalseRejects(NamedTuple):
    """What a calibration promised of good frames, and what came of it.

    Attributes:
        promised: share of good frames that may FAIL, on average over calibrations.
        bound: the same for this calibration, with 95 % confidence.
        num_calibrated: good frames that the calibration rests on.
        failed, good: good frames of the run that were FAIL, and all that were scored.
    """

    promised: float
    bound: float
    num_calibrated: int
    failed: int
    good: int

    @property
    def observed(self) -> float:
        """Share of the good frames that were FAIL."""
        return self.failed / self.good if self.good else float("nan")


@dataclass(frozen=True)
class Summary:
    """A run in numbers.

    Attributes:
        outcomes: frames per outcome, those without an event of their own included.
        latency_ms: stage, median and 99th percentile over scored frames, in ms.
        scored_per_s: scored frames over the time from the first to the last of them.
        balanced: each admitted frame has exactly one outcome, in the book and in its rows.
    """

    decoded: int
    admitted: int
    outcomes: Counter[Outcome]
    unscored: Counter[str]
    latency_ms: tuple[tuple[str, float, float], ...]
    scored_per_s: float
    balanced: bool


def summarise(audits: Sequence[Audit], events: Sequence[Event]) -> Summary:
    """The run behind these books and events."""
    outcomes = Counter[Outcome]()
    unscored = Counter[str]()
    for audit in audits:
        outcomes.update(audit.book.counts)
        unscored.update(audit.book.unscored)
    scored = sorted(event.times.scored_ns for event in events if event.times.scored_ns is not None)
    span_s = (scored[-1] - scored[0]) / NS_PER_S if len(scored) > 1 else 0.0
    return Summary(
        decoded=sum(audit.book.decoded for audit in audits),
        admitted=sum(audit.book.admitted for audit in audits),
        outcomes=outcomes,
        unscored=unscored,
        latency_ms=tuple(
            (stage, *_percentiles_ms(events, start, end)) for stage, start, end in STAGES
        ),
        scored_per_s=(len(scored) - 1) / span_s if span_s else 0.0,
        balanced=bool(audits) and all(a.agrees and a.book.balanced for a in audits),
    )


def _percentiles_ms(events: Sequence[Event], start: str, end: str) -> tuple[float, float]:
    spans_ms = [
        (_stamp_ns(event, end) - _stamp_ns(event, start)) / 1e6
        for event in events
        if event.times.scored_ns is not None
    ]
    if not spans_ms:
        return float("nan"), float("nan")
    p50, p99 = np.percentile(spans_ms, [50, 99])
    return float(p50), float(p99)


def _stamp_ns(event: Event, name: str) -> int:
    stamp: int = event.arrived_ns if name == "arrived_ns" else getattr(event.times, name)
    return stamp
