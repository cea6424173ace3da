"""What the sinks are told on the `status` channel: heartbeats, drops, and the end."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import zmq

from contract.codec import encode
from contract.messages import (
    CameraMessage,
    CameraState,
    DropMessage,
    EndOfStreamMessage,
    Message,
)
from contract.process import HEARTBEAT_S, POLL_MS, Every
from contract.reasons import EndReason
from contract.sockets import Socket
from ingest.drops import DropRange
from ingest.session import Session

log = logging.getLogger(__name__)


class Reporter:
    """Reports one camera's stream. Nothing here blocks but `end`, for a bounded time.

    Args:
        restarts: how often the supervisor started this process again, per reason.
    """

    def __init__(
        self, session: Session, socket: Socket, *, restarts: Mapping[str, int] | None = None
    ) -> None:
        self._socket = socket
        self._stream = session.stream._asdict()
        self._live = session.kind.live
        self._slot = session.slot
        self._tally = session.tally
        self._drops = session.drops
        self._clock = session.clock
        self._heartbeat = Every(HEARTBEAT_S, session.clock)
        self._reported_state: CameraState | None = None
        self._process_restarts = None if restarts is None else dict(restarts)

    def report(self) -> None:
        """Send what is due.

        A heartbeat that nobody takes is left out: the next one has the totals.
        """
        changed = self._tally.state is not self._reported_state
        if self._heartbeat.due() or changed:
            message = self._camera(self._tally.state)
            if self._send(message):
                self._reported_state = message.state
        self._drops.deliver(self._send_drop)

    def end(self, reason: EndReason, *, patience_s: float) -> None:
        """Report the rest and close the book; give up after `patience_s` without sinks."""
        deadline_s = self._clock.monotonic_s() + patience_s
        last = [self._camera(CameraState.ENDED), self._end_of_stream(reason)]
        while last:
            if self._drops.deliver(self._send_drop) and self._send(last[0]):
                del last[0]
            elif self._clock.monotonic_s() < deadline_s:
                self._socket.poll(POLL_MS, zmq.POLLOUT)
            else:
                log.warning("the sinks did not take the end of the stream: are they running?")
                return

    def _camera(self, state: CameraState) -> CameraMessage:
        admitted = self._slot.admitted  # before `decoded`, which is never less
        return CameraMessage(
            **self._stream,
            sent_ns=self._clock.wall_ns(),
            state=state,
            decoded=self._tally.decoded,
            admitted=admitted,
            sampled_out=self._tally.sampled_out,
            stale=self._tally.stale,
            undecodable=self._tally.undecodable,
            restarts=self._tally.restarts,
            newest_frame_ns=self._tally.newest_frame_ns,
            live=self._live,
            process_restarts=self._process_restarts,
        )

    def _end_of_stream(self, reason: EndReason) -> EndOfStreamMessage:
        return EndOfStreamMessage(
            **self._stream,
            sent_ns=self._clock.wall_ns(),
            decoded=self._tally.decoded,
            admitted=self._slot.admitted,
            reason=reason,
        )

    def _send_drop(self, dropped: DropRange) -> bool:
        return self._send(DropMessage(**self._stream, **dropped._asdict()))

    def _send(self, message: Message) -> bool:
        try:
            self._socket.send(encode(message), zmq.NOBLOCK)
        except zmq.Again:
            return False
        return True
