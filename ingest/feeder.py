"""The main thread's work: frames from the slot to the scorer, reports to the sinks."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType

from contract.messages import CameraState
from contract.process import POLL_MS
from contract.reasons import EndReason, Reason
from ingest.outlet import Outlet
from ingest.reader import Reader
from ingest.reporter import Reporter
from ingest.session import Session

POLL_S = POLL_MS / 1000
JOIN_S = 1.0
READ_POLL_S = 0.02
SURELY_READ = 2  # libzmq may be about to refill the kernel's buffer
STOP_GRACE_S = 1.0
READ_GRACE_S = 5.0
LIVE_END_GRACE_S = 5.0
REPORT_PATIENCE_S: Mapping[EndReason, float] = MappingProxyType(
    {EndReason.FINISHED: 5.0, EndReason.STOPPED: 1.0, EndReason.FAILED: 2.0}
)


class Feeder:
    """Sends and reports until the source has ended or the process is to stop.

    Args:
        stopping: whether the process is to stop.
        ready: is called once the camera's state is known; may be called again.
    """

    def __init__(
        self,
        session: Session,
        *,
        reader: Reader,
        outlet: Outlet,
        reporter: Reporter,
        stopping: Callable[[], bool],
        ready: Callable[[], None],
    ) -> None:
        self._slot = session.slot
        self._drops = session.drops
        self._tally = session.tally
        self._clock = session.clock
        self._end_grace_s = math.inf if session.waits else LIVE_END_GRACE_S
        self._reader = reader
        self._outlet = outlet
        self._reporter = reporter
        self._stopping = stopping
        self._ready = ready

    def run(self) -> EndReason:
        """Feed to the end and report it; why it ended."""
        self._reader.start()
        while not self._stopping() and not self._slot.closed:
            self._turn()
        self._reader.stop()
        self._reader.join(JOIN_S)
        self._drain()
        self._await_scorer()
        reason = EndReason.STOPPED if self._stopping() else EndReason.FINISHED
        if self._reader.failure:
            reason = EndReason.FAILED
        self._reporter.end(reason, patience_s=REPORT_PATIENCE_S[reason])
        return reason

    def _turn(self) -> None:
        """One round of the main loop, which waits for at most two polls."""
        if self._tally.state is not CameraState.STARTING:
            self._ready()
        self._drops.cause = Reason.OVERWRITTEN if self._outlet.has_scorer() else Reason.NO_SCORER
        self._reporter.report()
        if self._slot.wait(POLL_S) and self._outlet.has_room(POLL_S):
            self._slot.deliver(self._outlet.send)

    def _drain(self) -> None:
        """Send what still waits, as long as the grace period allows; drop the rest."""
        end_s = self._clock.monotonic_s() + self._end_grace_s
        while not self._slot.empty and self._clock.monotonic_s() < end_s:
            if self._stopping():
                end_s = min(end_s, self._clock.monotonic_s() + STOP_GRACE_S)
            self._turn()
        self._slot.discard(lambda frame_id: self._drops.add(frame_id, Reason.SHUTDOWN))

    def _await_scorer(self) -> None:
        """Wait until the scorer has read what was sent; see `Outlet.is_read`."""
        end_s = self._clock.monotonic_s() + self._end_grace_s
        times_read = 0
        while times_read < SURELY_READ and self._clock.monotonic_s() < end_s:
            if self._stopping():
                end_s = min(end_s, self._clock.monotonic_s() + READ_GRACE_S)
            self._turn()
            time.sleep(READ_POLL_S)
            times_read = times_read + 1 if self._outlet.is_read() else 0
