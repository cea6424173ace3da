"""The main thread's work: frames from the slot to the scorer, reports to the sinks."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from types import MappingProxyType

from contract.messages import CameraState
from contract.process import POLL_MS, Shell
from contract.progress import STALLED_S, Progress
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
LIVE_END_GRACE_S = 5.0
REPORT_PATIENCE_S: Mapping[EndReason, float] = MappingProxyType(
    {EndReason.FINISHED: 5.0, EndReason.STOPPED: 1.0, EndReason.FAILED: 2.0}
)


class Feeder:
    """Sends and reports until the source has ended or the process is to stop.

    A wait at the end lasts as long as frames move. What it may last while nothing moves depends on
    whether the frame is still of use: a live one soon is not.
    """

    def __init__(
        self,
        session: Session,
        *,
        reader: Reader,
        outlet: Outlet,
        reporter: Reporter,
        shell: Shell,
    ) -> None:
        self._camera = session.camera.name
        self._slot = session.slot
        self._drops = session.drops
        self._tally = session.tally
        self._clock = session.clock
        self._waits = session.waits
        self._reader = reader
        self._outlet = outlet
        self._reporter = reporter
        self._shell = shell
        self._sent = 0

    def run(self) -> EndReason:
        """Feed to the end and report it; why it ended."""
        self._reader.start()
        while not self._shell.stopping and not self._slot.closed:
            self._turn()
        self._reader.stop()
        self._reader.join(JOIN_S)
        self._drain()
        self._await_scorer()
        reason = self._reason()
        self._reporter.end(reason, patience_s=REPORT_PATIENCE_S[reason])
        if reason is EndReason.FINISHED:
            self._shell.finished()
        return reason

    def _reason(self) -> EndReason:
        if self._reader.failure:
            return EndReason.FAILED
        return EndReason.STOPPED if self._shell.stopping else EndReason.FINISHED

    def _turn(self) -> None:
        """One round of the main loop, which waits for at most two polls."""
        if self._tally.state is not CameraState.STARTING:
            self._shell.ready()
        self._drops.cause = Reason.OVERWRITTEN if self._outlet.has_scorer() else Reason.NO_SCORER
        self._reporter.report()
        if self._slot.wait(POLL_S) and self._outlet.has_room(POLL_S):
            self._sent += self._slot.deliver(self._outlet.send)
        self._shell.beat(
            done=self._sent,
            left=len(self._slot) + (self._outlet.unread_bytes() > 0),
            states={self._camera: self._tally.state},
        )

    def _drain(self) -> None:
        """Send what still waits, as long as the scorer takes it in time; drop the rest."""
        progress = Progress(self._clock)
        while len(self._slot):
            progress.note(self._sent)
            if progress.stalled_s >= self._slot_grace_s():
                break
            self._turn()
        self._slot.discard(lambda frame_id: self._drops.add(frame_id, Reason.SHUTDOWN))

    def _slot_grace_s(self) -> float:
        if self._shell.hurried:
            return 0.0
        if not self._shell.stopping:
            return math.inf if self._waits else LIVE_END_GRACE_S
        return STALLED_S if self._waits and self._outlet.has_scorer() else STOP_GRACE_S

    def _await_scorer(self) -> None:
        """Wait until the scorer has read what was sent; see `Outlet.unread_bytes`."""
        progress = Progress(self._clock)
        times_read = 0
        while times_read < SURELY_READ and progress.stalled_s < self._read_grace_s():
            self._turn()
            time.sleep(READ_POLL_S)
            unread_bytes = self._outlet.unread_bytes()
            progress.note(unread_bytes)
            times_read = 0 if unread_bytes else times_read + 1

    def _read_grace_s(self) -> float:
        if self._shell.hurried:
            return 0.0
        return math.inf if self._waits and not self._shell.stopping else STALLED_S
