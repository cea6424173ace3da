"""What a verdict is worth on arrival. Pure; decided once, before any sink sees it.

A result that the PLC is told too late is LATE to the PLC beside that: see `plc.indication`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from contract.messages import Outcome, StreamKey, VerdictMessage
from contract.reasons import Reason
from sinks.clocks import CHANGES, DECIDED, Camera, Clocks

REMEMBERED_FRAMES = 4096
RECALLED: Final[Mapping[Outcome, Reason]] = MappingProxyType(
    {Outcome.LATE: Reason.DEADLINE_MISSED, Outcome.INVALID: Reason.CLOCK}
)
"""What made a stored verdict of a frame that is delivered again as PASS, FAIL or REVIEW."""


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
    """

    identity: bytes
    header: VerdictMessage
    sent: Outcome
    arrived_ns: int
    first: bool

    @property
    def stream(self) -> StreamKey:
        return self.header.stream


EvidencePath = Callable[[Arrival], str | None]
"""Where the picture of an arrival belongs below the evidence folder; None if it has none."""


class Arrivals:
    """Judges arrivals: late or not, first or again.

    Args:
        clocks: what makes a verdict late, or its deadline worth nothing.

    A verdict that is delivered again keeps the judgement of its first arrival, so that store and
    PLC agree. Memory is bounded: the last `REMEMBERED_FRAMES` frames of each camera.
    """

    def __init__(self, clocks: Clocks) -> None:
        self._clocks = clocks
        self._judged: dict[Camera, OrderedDict[tuple[int, int], Reason | None]] = {}

    def recall(self, stream: StreamKey, frame_id: int, outcome: Outcome) -> None:
        """Keep to a judgement that an earlier process made."""
        camera = self._judged.setdefault(stream[:3], OrderedDict())
        camera[stream.epoch, frame_id] = RECALLED.get(outcome)

    def take(self, identity: bytes, header: VerdictMessage, now_ns: int) -> Arrival:
        """The arrival of a verdict at `now_ns`.

        PASS, FAIL and REVIEW after the deadline become LATE, or INVALID where the clocks do not
        tell; the other outcomes keep their own reason, which says more.
        """
        camera = self._judged.setdefault(header.stream[:3], OrderedDict())
        frame = (header.epoch, header.frame_id)
        first = frame not in camera
        if first:
            camera[frame] = self._clocks.judge(header, now_ns)
            if len(camera) > REMEMBERED_FRAMES:
                camera.popitem(last=False)
        sent = header.outcome
        reason = camera.get(frame)
        if reason is not None and header.outcome in DECIDED:
            header = header.model_copy(update={"reason": reason, **CHANGES[reason]})
        return Arrival(identity, header, sent, now_ns, first)
