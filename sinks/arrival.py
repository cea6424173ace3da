"""What a verdict is worth on arrival. Pure; decided once, before any sink sees it.

Where a line has a PLC, the last word is spoken when that is told: see `plc.results`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

from contract.clock import NS_PER_S
from contract.messages import Outcome, StreamKey, VerdictMessage
from contract.reasons import Reason
from contract.telling import Telling
from sinks.clocks import Camera, Clocks

REMEMBERED_FRAMES = 4096


@dataclass(frozen=True, slots=True)
class Arrival:
    """A verdict at the door of the sinks.

    Attributes:
        identity: ZeroMQ identity of the sender, who waits for the acknowledgement.
        header: the verdict as it counts from here on: LATE where PASS came too late, INVALID where
            nobody can tell.
        sent: the outcome as it was sent.
        arrived_ns: wall clock at arrival.
        first: no verdict for this frame came before.
        telling: what the PLC of the line was told of it; None: nothing so far, or there is none.
    """

    identity: bytes
    header: VerdictMessage
    sent: Outcome
    arrived_ns: int
    first: bool
    telling: Telling | None = None

    @property
    def stream(self) -> StreamKey:
        return self.header.stream

    def due(self, deadline_s: float) -> Arrival:
        """The same, with a deadline so long after capture if it has none."""
        times = self.header.times
        if times.deadline_ns is not None:
            return self
        deadline_ns = times.captured_ns + round(deadline_s * NS_PER_S)
        times = times.model_copy(update={"deadline_ns": deadline_ns})
        return replace(self, header=self.header.model_copy(update={"times": times}))

    @property
    def until_ns(self) -> int:
        """The deadline of one that is `due`."""
        deadline_ns = self.header.times.deadline_ns
        assert deadline_ns is not None
        return deadline_ns

    def spoiled(self, reason: str) -> Arrival:
        """The same, no result any more because of `reason`: LATE, or INVALID for a clock."""
        update: dict[str, object] = {"outcome": Outcome.LATE, "reason": reason}
        if reason == Reason.CLOCK:
            update |= {"outcome": Outcome.INVALID, "anomaly_score": None, "p_value": None}
        return replace(self, header=self.header.model_copy(update=update))

    def with_telling(self, telling: Telling) -> Arrival:
        """The same, told like this."""
        return replace(self, telling=telling)


EvidencePath = Callable[[Arrival], str | None]
"""Where the picture of an arrival belongs below the evidence folder; None if it has none."""


class _Judgement(NamedTuple):
    """What was decided of a frame.

    Attributes:
        spoiled: why it counts as something else than it was sent as, if it does.
        concluded: nothing is decided any more.
    """

    spoiled: str | None = None
    telling: Telling | None = None
    concluded: bool = False


class Arrivals:
    """Judges arrivals: late or not, first or again.

    A verdict that is delivered again keeps the judgement of its first arrival, so that store and
    PLC agree. Memory is bounded: the last `REMEMBERED_FRAMES` frames of each camera.

    Args:
        clocks: what makes a verdict late, or its deadline worth nothing.
    """

    def __init__(self, clocks: Clocks) -> None:
        self._clocks = clocks
        self._cameras: dict[Camera, OrderedDict[tuple[int, int], _Judgement]] = {}

    def recall(self, stream: StreamKey, frame_id: int) -> None:
        """A frame that is stored: whatever comes of it again changes nothing."""
        self._keep(stream, frame_id, _Judgement(concluded=True))

    def conclude(self, arrival: Arrival) -> None:
        """Keep to a judgement, which an earlier process may have made."""
        header, before = arrival.header, self._before(arrival.header)
        spoiled = before.spoiled if before else None
        if header.outcome is not arrival.sent:
            spoiled = header.reason
        judgement = _Judgement(spoiled, arrival.telling, concluded=True)
        self._keep(arrival.stream, header.frame_id, judgement)

    def is_open(self, arrival: Arrival) -> bool:
        """Whether what came before of this frame is not concluded."""
        before = self._before(arrival.header)
        return before is not None and not before.concluded

    def take(self, identity: bytes, header: VerdictMessage, now_ns: int) -> Arrival:
        """The arrival of a verdict at `now_ns`.

        PASS, FAIL and REVIEW after the deadline become LATE, or INVALID where the clocks do not
        tell; the other outcomes keep their own reason, which says more.
        """
        before = self._before(header)
        first = before is None
        if before is None:
            before = _Judgement(self._clocks.judge(header, now_ns))
            self._keep(header.stream, header.frame_id, before)
        arrival = Arrival(identity, header, header.outcome, now_ns, first, before.telling)
        return arrival if before.spoiled is None else arrival.spoiled(before.spoiled)

    def _before(self, header: VerdictMessage) -> _Judgement | None:
        return self._frames_of(header.stream).get((header.epoch, header.frame_id))

    def _keep(self, stream: StreamKey, frame_id: int, judgement: _Judgement) -> None:
        frames = self._frames_of(stream)
        frames[stream.epoch, frame_id] = judgement
        if len(frames) > REMEMBERED_FRAMES:
            frames.popitem(last=False)

    def _frames_of(self, stream: StreamKey) -> OrderedDict[tuple[int, int], _Judgement]:
        return self._cameras.setdefault(stream[:3], OrderedDict())
