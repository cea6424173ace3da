"""What a line did in a period: all figures of a report, in one pass and bounded memory. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from contract.clock import NS_PER_S
from contract.messages import SCORED, Outcome
from flawline.reports.spread import Spread
from flawline.reports.timeline import Timeline, defect_rate

if TYPE_CHECKING:
    from sinks.store.event import Event
    from sinks.store.rows import Drop

MAX_USES: Final = 200
MAX_ALARMS: Final = 200

STAGES: Final = (
    ("decode", "captured_ns", "decoded_ns"),
    ("queue", "decoded_ns", "received_ns"),
    ("score", "received_ns", "scored_ns"),
    ("deliver", "emitted_ns", "arrived_ns"),
    ("capture to verdict", "captured_ns", "arrived_ns"),
)


class Judge(NamedTuple):
    """What frames were judged by."""

    memory_version: str | None
    fail_threshold: float | None
    review_threshold: float | None
    model: str | None
    weights_sha256: str | None
    preset: str | None
    dtype: str | None


@dataclass
class Use:
    """A stretch of a camera's scored frames that one judge judged."""

    camera: str
    judge: Judge
    first_ns: int
    last_ns: int
    num_frames: int = 1


class Digest:
    """Give it events in the order of capture, and drops; then read.

    Attributes:
        outcomes: frames.
        reasons: frames per outcome and reason, for those that have a reason.
        cameras: frames per camera and outcome.
        uses: the newest `MAX_USES` stretches of one threshold and memory, by camera.
        alarms: the newest `MAX_ALARMS` events that raised a drift alarm.
        num_uses, num_alarms: all of them.
        first_ns, last_ns: the earliest and the latest frame; None without any.
        num_dropped: frames without a verdict of their own, among the UNSCORED.
    """

    def __init__(self) -> None:
        self.outcomes: Counter[Outcome] = Counter()
        self.reasons: Counter[tuple[Outcome, str]] = Counter()
        self.cameras: defaultdict[str, Counter[Outcome]] = defaultdict(Counter)
        self.timeline = Timeline()
        self.uses: deque[Use] = deque(maxlen=MAX_USES)
        self.alarms: deque[Event] = deque(maxlen=MAX_ALARMS)
        self.num_uses = self.num_alarms = self.num_dropped = self._num_timed = 0
        self.first_ns: int | None = None
        self.last_ns: int | None = None
        self._current: dict[str, Use] = {}
        self._spreads = {name: Spread() for name, _, _ in STAGES}
        self._scored_ns: tuple[int, int] | None = None

    @property
    def num_frames(self) -> int:
        return self.outcomes.total()

    @property
    def num_scored(self) -> int:
        """PASS, FAIL and REVIEW."""
        return sum(self.outcomes[outcome] for outcome in SCORED)

    @property
    def defect_rate(self) -> float | None:
        return defect_rate(self.outcomes)

    @property
    def latency_ms(self) -> list[tuple[str, float | None, float | None]]:
        """Stage, median and 99th percentile over frames with a score, in ms, within 1 %."""
        return [
            (name, spread.percentile_ms(0.5), spread.percentile_ms(0.99))
            for name, spread in self._spreads.items()
        ]

    @property
    def scored_per_s(self) -> float:
        """Frames with a score over the time from the first to the last of them."""
        if self._scored_ns is None or self._scored_ns[0] == self._scored_ns[1]:
            return 0.0
        first, last = self._scored_ns
        return (self._num_timed - 1) * NS_PER_S / (last - first)

    def add(self, event: Event) -> None:
        """Count an event."""
        outcome = event.outcome
        self._reach(event.times.captured_ns)
        self.outcomes[outcome] += 1
        self.cameras[event.camera][outcome] += 1
        self.timeline.add(event)
        if event.reason is not None:
            self.reasons[outcome, event.reason] += 1
        if event.drift is not None and event.drift.alarm is not None:
            self.alarms.append(event)
            self.num_alarms += 1
        if event.times.scored_ns is not None:
            self._measure(event, event.times.scored_ns)
        if outcome in SCORED:
            self._use(event)

    def drop(self, drop: Drop) -> None:
        """Count frames that ended without a verdict of their own."""
        num_frames = drop.last_frame_id - drop.first_frame_id + 1
        self._reach(drop.noted_ns)
        self.num_dropped += num_frames
        self.outcomes[Outcome.UNSCORED] += num_frames
        self.cameras[drop.camera][Outcome.UNSCORED] += num_frames
        self.reasons[Outcome.UNSCORED, drop.reason] += num_frames
        self.timeline.add_frames(drop.noted_ns, Outcome.UNSCORED, num_frames)

    def _reach(self, at_ns: int) -> None:
        self.first_ns = at_ns if self.first_ns is None else min(self.first_ns, at_ns)
        self.last_ns = at_ns if self.last_ns is None else max(self.last_ns, at_ns)

    def _measure(self, event: Event, scored_ns: int) -> None:
        for name, start, end in STAGES:
            self._spreads[name].add(_stamp_ns(event, end) - _stamp_ns(event, start))
        self._num_timed += 1
        first, last = self._scored_ns or (scored_ns, scored_ns)
        self._scored_ns = (min(first, scored_ns), max(last, scored_ns))

    def _use(self, event: Event) -> None:
        judge = Judge(
            fail_threshold=event.fail_threshold,
            review_threshold=event.review_threshold,
            **event.provenance.model_dump(),
        )
        use = self._current.get(event.camera)
        if use is not None and use.judge == judge:
            use.last_ns = event.times.captured_ns
            use.num_frames += 1
            return
        use = Use(event.camera, judge, event.times.captured_ns, event.times.captured_ns)
        self._current[event.camera] = use
        self.uses.append(use)
        self.num_uses += 1


def _stamp_ns(event: Event, name: str) -> int:
    stamp: int = event.arrived_ns if name == "arrived_ns" else getattr(event.times, name)
    return stamp
