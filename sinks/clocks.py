"""Whether deadlines can be trusted: the clocks of cameras and scorer, as the sinks see them.

A deadline is a stamp of the camera's host, and is compared with the sinks' clock. Where the
camera's clock, or any whose stamp a verdict bears, is ahead, a deadline may be over and not show
it: INVALID(clock). Where the camera's is behind, deadlines pass early: what is LATE then is
LATE(clock_behind), so that nobody looks for a slow scorer; what is in time all the same is so.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from types import MappingProxyType
from typing import Final

from contract.clock import NS_PER_S, Clock
from contract.messages import (
    SCORED,
    CameraMessage,
    Outcome,
    ProcessMessage,
    StatusMessage,
    VerdictMessage,
)
from contract.offset import MAX_OFFSET_S, Offset
from contract.process import Every
from contract.reasons import Reason

SCORER: Final = "scorer"
TELL_EVERY_S: Final = 10.0
MAX_OFFSET_NS: Final = round(MAX_OFFSET_S * NS_PER_S)
DECIDED: Final = SCORED | {Outcome.LATE}
"""Outcomes that a deadline decides; the others keep their own reason, which says more."""

Camera = tuple[str, str, str]
Watch = Callable[[str, Callable[[], float]], None]

log = logging.getLogger(__name__)


class Clocks:
    """The offset of each sender's clock, from heartbeats, which are read at once.

    Until the first heartbeat of a sender its clock is known by the stamps of verdicts alone; the
    PLC is told nothing good before that (`Fault.STARTING`).

    Args:
        watch: is told each process with what gives its offset, in seconds.
        configured: the cameras of the configuration: others are judged, but not told to `watch`.
    """

    def __init__(
        self, clock: Clock, *, watch: Watch, configured: Callable[[], AbstractSet[Camera]]
    ) -> None:
        self._clock = clock
        self._watch = watch
        self._configured = configured
        self._cameras: dict[Camera, _Sender] = {}
        self._scorer = _Sender(SCORER, clock)
        watch(SCORER, self._scorer.ahead_s)

    def observe(self, message: StatusMessage) -> None:
        """Take note of a heartbeat; other messages may have waited before they were sent."""
        if isinstance(message, CameraMessage):
            self._sender(message).heard(message.sent_ns)
        elif isinstance(message, ProcessMessage) and message.process == SCORER:
            self._scorer.heard(message.sent_ns)

    def judge(self, header: VerdictMessage, now_ns: int) -> Reason | None:
        """Why a verdict that comes at `now_ns` is not worth what it says; None: it is."""
        times = header.times
        if header.outcome not in DECIDED or times.deadline_ns is None:
            return None
        camera = self._cameras.get(header.stream[:3])
        stamps_ns = (times.captured_ns, times.decoded_ns, times.received_ns, times.emitted_ns)
        from_future = max(stamps_ns) > now_ns + MAX_OFFSET_NS
        if from_future or self._scorer.is_ahead or (camera is not None and camera.is_ahead):
            return Reason.CLOCK
        if header.outcome is not Outcome.LATE and now_ns <= times.deadline_ns:
            return None
        is_behind = camera is not None and camera.is_behind
        return Reason.CLOCK_BEHIND if is_behind else Reason.DEADLINE_MISSED

    def _sender(self, message: CameraMessage) -> _Sender:
        camera = message.stream[:3]
        if camera not in self._cameras:
            self._cameras[camera] = sender = _Sender(message.process, self._clock)
            if camera in self._configured():
                self._watch(message.process, sender.ahead_s)
        return self._cameras[camera]


class _Sender:
    """A process whose clock is watched, and what was last said of it."""

    def __init__(self, process: str, clock: Clock) -> None:
        self._process = process
        self._clock = clock
        self._offset = Offset(clock)
        self._told = "right"
        self._tell_due = Every(TELL_EVERY_S, clock)

    def heard(self, sent_ns: int) -> None:
        """Take note of a heartbeat, and say so when the clock goes wrong or right."""
        self._offset.note(sent_ns=sent_ns, received_ns=self._clock.wall_ns())
        found = "ahead" if self.is_ahead else "behind" if self.is_behind else "right"
        if found != self._told and self._tell_due.due():
            self._told = found
            if found == "right":
                log.info("the clock of %s agrees with that of the sinks again", self._process)
            else:
                log.error(_TOLD[found], self._process, abs(self.ahead_s()))

    def ahead_s(self) -> float:
        """How far its clock is ahead of ours; 0 before it was heard."""
        return self._offset.ahead_s or 0.0

    @property
    def is_ahead(self) -> bool:
        return self._offset.is_ahead

    @property
    def is_behind(self) -> bool:
        return self._offset.is_behind


_TOLD: Final = MappingProxyType(
    {
        "ahead": "the clock of %s is %.3f s ahead of that of the sinks: verdicts that depend on "
        "it are INVALID (clock) until the hosts are synchronised (PTP or NTP)",
        "behind": "the clock of %s is %.3f s behind that of the sinks: deadlines pass early until "
        "the hosts are synchronised (PTP or NTP)",
    }
)
