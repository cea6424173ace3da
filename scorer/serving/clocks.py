"""Whether the deadlines that frames bring along can be trusted. Pure: a clock goes in."""

from __future__ import annotations

from contract.clock import Clock
from contract.messages import FrameMessage
from contract.offset import Offset


class CameraClocks:
    """The clocks of the hosts of cameras, by the stamps of their frames.

    Only a clock that is ahead is found here. A frame waits for the scorer, so that one that is
    behind looks like a scorer that is slow; the sinks, which read at once, tell the two apart.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offsets: dict[tuple[str, str], Offset] = {}

    def is_trusted(self, frame: FrameMessage, received_ns: int) -> bool:
        """Whether a deadline of `frame` cannot have passed without showing it."""
        offset = self._offsets.setdefault((frame.line, frame.camera), Offset(self._clock))
        sent_ns = max(frame.captured_ns, frame.decoded_ns)
        offset.note(sent_ns=sent_ns, received_ns=received_ns)
        return frame.deadline_ns is None or not offset.is_ahead
