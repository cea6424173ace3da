"""What a verdict is worth on arrival. Pure; decided once, before any sink sees it.

Where a line has a PLC, the last word is spoken when that is told: see `plc.results`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

from contract.messages import SCORED, Outcome, StreamKey, VerdictMessage
from contract.reasons import Reason
from contract.telling import Telling

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

    def late(self, reason: str) -> Arrival:
        """The same, too late because of `reason`."""
        judgement = {"outcome": Outcome.LATE, "reason": reason}
        return replace(self, header=self.header.model_copy(update=judgement))

    def with_telling(self, telling: Telling) -> Arrival:
        """The same, told like this."""
        return replace(self, telling=telling)


EvidencePath = Callable[[Arrival], str | None]
"""Where the picture of an arrival belongs below the evidence folder; None if it has none."""


class _Judgement(NamedTuple):
    """What was decided of a frame.

    Attributes:
        late: why it is LATE although it was sent otherwise, if it is.
        concluded: nothing is decided any more.
    """

    late: str | None = None
    telling: Telling | None = None
    concluded: bool = False


class Arrivals:
    """Judges arrivals: late or not, first or again.

    A verdict that is delivered again keeps the judgement of its first arrival, so that store and
    PLC agree. Memory is bounded: the last `REMEMBERED_FRAMES` frames of each camera.
    """

    def __init__(self) -> None:
        self._cameras: dict[tuple[str, str, str], OrderedDict[tuple[int, int], _Judgement]] = {}

    def recall(self, stream: StreamKey, frame_id: int) -> None:
        """A frame that is stored: whatever comes of it again changes nothing."""
        self._frames_of(stream)[stream.epoch, frame_id] = _Judgement(concluded=True)

    def conclude(self, arrival: Arrival) -> None:
        """Keep to a judgement, which an earlier process may have made."""
        header = arrival.header
        judged_late = header.outcome is Outcome.LATE and arrival.sent is not Outcome.LATE
        self._frames_of(arrival.stream)[header.epoch, header.frame_id] = _Judgement(
            header.reason if judged_late else None, arrival.telling, concluded=True
        )

    def is_open(self, arrival: Arrival) -> bool:
        """Whether what came before of this frame is not concluded."""
        frames = self._frames_of(arrival.stream)
        return not frames[arrival.header.epoch, arrival.header.frame_id].concluded

    def take(self, identity: bytes, header: VerdictMessage, now_ns: int) -> Arrival:
        """The arrival of a verdict at `now_ns`.

        PASS, FAIL and REVIEW after the deadline become LATE; the other outcomes keep their own
        reason, which says more.
        """
        frames = self._frames_of(header.stream)
        frame = (header.epoch, header.frame_id)
        first = frame not in frames
        if first:
            deadline_ns = header.times.deadline_ns
            overdue = deadline_ns is not None and now_ns > deadline_ns
            late = Reason.DEADLINE_MISSED if overdue and header.outcome in SCORED else None
            frames[frame] = _Judgement(late)
            if len(frames) > REMEMBERED_FRAMES:
                frames.popitem(last=False)
        before = frames[frame]
        arrival = Arrival(identity, header, header.outcome, now_ns, first, before.telling)
        return arrival if before.late is None else arrival.late(before.late)

    def _frames_of(self, stream: StreamKey) -> OrderedDict[tuple[int, int], _Judgement]:
        return self._cameras.setdefault(stream[:3], OrderedDict())
