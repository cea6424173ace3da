"""What a verdict is worth on arrival. Pure; decided once, before any sink sees it.

A result that the PLC is told too late is LATE to the PLC beside that: see `plc.indication`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from contract.messages import SCORED, Outcome, StreamKey, VerdictMessage
from contract.reasons import Reason

REMEMBERED_FRAMES = 4096


@dataclass(frozen=True, slots=True)
class Arrival:
    """A verdict at the door of the sinks.

    Attributes:
        identity: ZeroMQ identity of the sender, who waits for the acknowledgement.
        header: the verdict as it counts from here on: LATE where PASS came too late.
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

    A verdict that is delivered again keeps the judgement of its first arrival, so that store and
    PLC agree. Memory is bounded: the last `REMEMBERED_FRAMES` frames of each camera.
    """

    def __init__(self) -> None:
        self._late: dict[tuple[str, str, str], OrderedDict[tuple[int, int], bool]] = {}

    def recall(self, stream: StreamKey, frame_id: int, outcome: Outcome) -> None:
        """Keep to a judgement that an earlier process made."""
        camera = self._late.setdefault(stream[:3], OrderedDict())
        camera[stream.epoch, frame_id] = outcome is Outcome.LATE

    def take(self, identity: bytes, header: VerdictMessage, now_ns: int) -> Arrival:
        """The arrival of a verdict at `now_ns`.

        PASS, FAIL and REVIEW after the deadline become LATE; the other outcomes keep their own
        reason, which says more.
        """
        camera = self._late.setdefault(header.stream[:3], OrderedDict())
        frame = (header.epoch, header.frame_id)
        first = frame not in camera
        if first:
            deadline_ns = header.times.deadline_ns
            overdue = deadline_ns is not None and now_ns > deadline_ns
            camera[frame] = overdue and header.outcome in SCORED
            if len(camera) > REMEMBERED_FRAMES:
                camera.popitem(last=False)
        sent = header.outcome
        if camera.get(frame):
            judgement = {"outcome": Outcome.LATE, "reason": Reason.DEADLINE_MISSED}
            header = header.model_copy(update=judgement)
        return Arrival(identity, header, sent, now_ns, first)
