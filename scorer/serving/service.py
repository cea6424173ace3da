"""The scorer's main loop: sockets around the engine, no maths."""

from __future__ import annotations

import logging

import zmq

from contract.clock import NS_PER_MS
from contract.codec import decode, decode_frame, encode
from contract.config import Config
from contract.errors import FlawlineError, WireError
from contract.messages import (
    AckMessage,
    ProcessMessage,
    ProcessState,
    ReplyMessage,
    RequestMessage,
)
from contract.process import HEARTBEAT_S, POLL_MS, Every, Shell, software_version, user
from contract.progress import ORPHAN_STALLED_S, STALLED_S, Progress
from contract.reasons import Reason
from contract.sockets import Sockets
from scorer.references.shelf import Shelf
from scorer.references.switch import Command, carry_out, meant
from scorer.serving.collector import Collector
from scorer.serving.engine import Engine
from scorer.serving.evidence import EvidenceSender
from scorer.serving.lines import Lines
from scorer.serving.outbox import Outbox
from scorer.serving.scheduler import Scheduler

OUTBOX_VERDICTS = 1024
RESEND_AFTER_S = 2.0
RELOAD_S = 0.5
DRAIN_IDLE_S = 0.3
COMPLAIN_S = 10.0
FAREWELL_S = 3.0
# More than a camera's frames on their way: twice the high-water mark, and the kernel's buffer.
IN_FLIGHT_FRAMES = 16

log = logging.getLogger(__name__)


class Service:
    """One scorer process.

    Args:
        shell: signals and clock.
        config: the station.
        sockets: where its channels come from.
        engine: makes the verdicts.
        scheduler: the engine's waiting frames, asked for room.
        lines: reloaded from disk while running.
        collector: gathers frames for enrolling from a camera.
        shelf: answers `activate`.
        evidence: sends pictures of verdicts that left.
    """

    def __init__(
        self,
        shell: Shell,
        config: Config,
        sockets: Sockets,
        *,
        engine: Engine,
        scheduler: Scheduler,
        lines: Lines,
        collector: Collector,
        shelf: Shelf,
        evidence: EvidenceSender,
    ) -> None:
        self._shell = shell
        self._config = config
        self._sockets = sockets
        self._engine = engine
        self._scheduler = scheduler
        self._lines = lines
        self._collector = collector
        self._shelf = shelf
        self._evidence = evidence
        in_hand = config.scorer.max_pending_frames + config.scorer.max_batch_frames
        self._outbox = Outbox(capacity=OUTBOX_VERDICTS + in_hand, resend_after_s=RESEND_AFTER_S)
        self._frames = sockets.bind("frames")
        self._control = sockets.bind("control")
        self._verdicts = sockets.connect("verdicts")
        self._status = sockets.connect("status", role="scorer")
        self._poller, self._other_poller = zmq.Poller(), zmq.Poller()
        self._poller.register(self._frames, zmq.POLLIN)
        for socket in (self._control, self._verdicts):
            self._poller.register(socket, zmq.POLLIN)
            self._other_poller.register(socket, zmq.POLLIN)
        self._heartbeat = Every(HEARTBEAT_S, shell.clock)
        self._reload = Every(RELOAD_S, shell.clock)
        self._wire_errors = 0
        self._complain = Every(COMPLAIN_S, shell.clock)
        self._received_s = shell.clock.monotonic_s()
        self._acknowledged = 0
        self._may_read: int | None = None
        self._process_restarts = None if shell.restarts is None else dict(shell.restarts)

    def run(self) -> None:
        """Serve until told to stop, then finish the frames at hand, as long as that gets on."""
        while not self._shell.stopping:
            self._turn()
        log.info("draining")
        # A stream that goes on would never be finished.
        self._may_read = IN_FLIGHT_FRAMES * len(self._config.cameras())
        stop_s = self._shell.clock.monotonic_s()
        progress = Progress(self._shell.clock)
        while not self._drained(stop_s) and not self._shell.hurried:
            progress.note(self._done)
            patience_s = ORPHAN_STALLED_S if self._shell.orphaned else STALLED_S
            if progress.stalled_s > patience_s:
                log.error("nothing has moved for %.0f s, giving up what waits", patience_s)
                break
            self._turn()
        self._give_up()

    @property
    def _done(self) -> int:
        """Verdicts that were made, and those that arrived."""
        return sum(self._engine.outcomes.values()) + self._acknowledged

    @property
    def _left(self) -> int:
        return self._engine.pending + len(self._outbox)

    def _drained(self, stop_s: float) -> bool:
        idle = self._since_s(max(self._received_s, stop_s)) > DRAIN_IDLE_S
        return (idle or self._may_read == 0) and not self._left

    def _since_s(self, moment_s: float) -> float:
        return self._shell.clock.monotonic_s() - moment_s

    def _give_up(self) -> None:
        """Say of each frame that still waits that it was not scored."""
        for judged in self._engine.abandon(Reason.SHUTDOWN):
            self._outbox.add(judged.header)
        start_s = self._shell.clock.monotonic_s()
        while len(self._outbox) and self._since_s(start_s) < FAREWELL_S:
            self._send_verdicts()
            if self._verdicts.poll(POLL_MS):
                self._read_acks()
            self._shell.beat(done=self._done, left=self._left)
        if len(self._outbox):
            log.error("%d verdicts were not acknowledged by the sinks", len(self._outbox))

    def _turn(self) -> None:
        room = self._has_room()
        timeout_ms = POLL_MS
        if room and self._engine.pending:
            timeout_ms = min(POLL_MS, -(-self._engine.wait_ns // NS_PER_MS))
        # A poll that looks at frames that stay unread would never wait.
        poller = self._poller if room and self._may_read != 0 else self._other_poller
        ready = dict(poller.poll(timeout_ms))
        if self._control in ready:
            self._answer()
        if self._verdicts in ready:
            self._read_acks()
        self._read_frames()
        judged = []
        if self._has_room():
            judged = self._engine.step(patient=not self._shell.stopping)
        for each in judged:
            self._outbox.add(each.header)
        self._send_verdicts()
        for header, snapshot in judged:
            if snapshot is not None:
                self._evidence.put(header, snapshot)
        if self._reload.due():
            self._collector.tend()
            self._lines.reload()
        if self._heartbeat.due():
            self._beat()
        self._shell.beat(done=self._done, left=self._left)

    def _has_room(self) -> bool:
        return self._outbox.has_room(self._config.scorer.max_batch_frames + self._engine.pending)

    def _read_frames(self) -> None:
        """Take what fits; the rest waits in ZeroMQ, then in ingest, where the newest wins."""
        for _ in range(self._config.scorer.max_pending_frames):
            if not self._scheduler.has_room or not self._has_room() or self._may_read == 0:
                return
            try:
                parts = self._frames.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            if self._may_read is not None:
                self._may_read -= 1
            self._received_s = self._shell.clock.monotonic_s()
            try:
                frame = decode_frame(parts)
            except WireError as error:
                self._broken("frame", error)
                continue
            self._collector.see(frame)
            for judged in self._engine.submit(frame, self._shell.clock.wall_ns()):
                self._outbox.add(judged.header)

    def _send_verdicts(self) -> None:
        now_s = self._shell.clock.monotonic_s()
        while (verdict := self._outbox.next(now_s)) is not None:
            try:
                self._verdicts.send(encode(verdict), zmq.NOBLOCK)
            except zmq.Again:
                return
            self._outbox.sent(verdict, now_s)

    def _read_acks(self) -> None:
        while True:
            try:
                message = decode(self._verdicts.recv(zmq.NOBLOCK))
            except zmq.Again:
                return
            except WireError as error:
                self._broken("acknowledgement", error)
                continue
            if isinstance(message, AckMessage):
                self._outbox.acknowledge(message.delivery_ids)
                self._acknowledged += len(message.delivery_ids)

    def _broken(self, what: str, error: WireError) -> None:
        self._wire_errors += 1
        if self._complain.due():
            log.warning("%s dropped: %s", what, error)

    def _answer(self) -> None:
        try:
            parts = self._control.recv_multipart(zmq.NOBLOCK)
        except zmq.Again:
            return  # what came has no envelope, so that nobody could be answered: libzmq drops it
        try:
            request = decode(b"".join(parts))
            if not isinstance(request, RequestMessage):
                raise WireError(f"{request.type} where a request belongs")
            text = self._obey(request)
            reply = ReplyMessage(
                ok=True,
                text=text[:4096],
                memories=self._memories(),
                enrolment=self._collector.state,
                shadows=self._engine.shadows.reports(),
            )
        except FlawlineError as error:
            if isinstance(error, WireError):
                self._broken("question", error)
            reply = ReplyMessage(ok=False, text=str(error)[:4096])
        self._control.send(encode(reply))

    def _obey(self, request: RequestMessage) -> str:
        if request.command == "status":
            return self._collector.progress()
        if request.line is None or request.line not in self._lines:
            raise FlawlineError(
                f"no line {request.line}", f"the lines are {', '.join(self._lines)}"
            )
        if request.command == "enroll":
            return self._collector.start(request)
        by = request.requested_by or user()
        return self._point(request.command, request.line, request.memory_version, by=by)

    def _point(self, command: Command, line: str, version: str | None, *, by: str) -> str:
        """Change which memory judges `line`; one that does not fit is refused with the reason."""
        version = meant(self._shelf, line, command, version)
        judge = None if version is None else self._lines.fetch(line, version)
        now_ns = self._shell.clock.wall_ns()
        text = carry_out(self._shelf, line, command, version, now_ns=now_ns, by=by)
        if judge is not None:
            self._lines.use(line, "shadow" if command == "shadow" else "active", judge)
        self._lines.reload()
        return text

    def _memories(self) -> dict[str, str]:
        return {name: state.memory_version or "" for name, state in self._lines.items()}

    def _beat(self) -> None:
        message = ProcessMessage(
            station=self._config.station,
            process="scorer",
            state=ProcessState.DRAINING if self._shell.stopping else ProcessState.READY,
            sent_ns=self._shell.clock.wall_ns(),
            version=software_version(),
            pending=self._left,
            wire_errors=self._wire_errors,
            frames_scored=sum(self._engine.outcomes.values()),
            pictures_dropped=self._evidence.dropped,
            connections_refused=dict(self._sockets.refused),
            process_restarts=self._process_restarts,
        )
        try:
            self._status.send(encode(message), zmq.NOBLOCK)
        except zmq.Again:
            log.debug("no sinks listen to the heartbeat")
