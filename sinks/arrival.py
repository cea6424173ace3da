"""What a verdict is worth on arrival. Pure; decided once, before any sink sees it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from contract.codec import Verdict
from contract.messages import SCORED, Outcome, StreamKey, VerdictMessage

DEADLINE_MISSED = "deadline_missed"
REMEMBERED_FRAMES = 4096


@dataclass(frozen=True, slots=True)
class Arrival:
    """A verdict at the door of the sinks.

    Attributes:
        identity: ZeroMQ identity of the sender, who waits for the acknowledgement.
        verdict: what counts from here on; its outcome may be LATE where PASS was sent.
        sent: the outcome as it was sent.
        arrived_ns: wall clock at arrival.
        first: no verdict for this frame came before.
    """

    identity: bytes
    verdict: Verdict
    sent: Outcome
    arrived_ns: int
    first: bool

    @property
    def header(self) -> VerdictMessage:
        return self.verdict.header

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

    def take(self, identity: bytes, verdict: Verdict, now_ns: int) -> Arrival:
        """The arrival of `verdict` at `now_ns`.

        PASS, FAIL and REVIEW after the deadline become LATE; the other outcomes keep their own
        reason, which says more.
        """
        header = verdict.header
        camera = self._late.setdefault((header.station, header.line, header.camera), OrderedDict())
        frame = (header.epoch, header.frame_id)
        first = frame not in camera
        if first:
            overdue = header.deadline_ns is not None and now_ns > header.deadline_ns
            camera[frame] = overdue and header.outcome in SCORED
            if len(camera) > REMEMBERED_FRAMES:
                camera.popitem(last=False)
        if camera[frame]:
            late = {"outcome": Outcome.LATE, "reason": DEADLINE_MISSED}
            verdict = verdict._replace(header=header.model_copy(update=late))
        return Arrival(identity, verdict, header.outcome, now_ns, first)
