"""The main loop's work: from the sockets to the sinks, and acknowledgements back."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import zmq

from contract.clock import Clock
from contract.codec import decode, decode_evidence, decode_verdict, encode
from contract.errors import WireError
from contract.messages import (
    AckMessage,
    CameraMessage,
    DropMessage,
    EndOfStreamMessage,
    Outcome,
    ProcessMessage,
    StatusMessage,
    StreamKey,
)
from contract.process import Every
from contract.reasons import DeliveryReason
from contract.sockets import Socket
from sinks.arrival import Arrivals
from sinks.clocks import Clocks
from sinks.evidence.evidence import EvidenceFolder
from sinks.fanout import Fanout
from sinks.journal import Journal
from sinks.metrics.metrics import Metrics
from sinks.recorder.recorder import Recorder

BURST = 64
MAX_COUNT = 1 << 53
MAX_ACKS = 1024

log = logging.getLogger(__name__)


class Watcher(Protocol):
    """Wants to know about cameras and processes."""

    def observe(self, message: StatusMessage) -> None:
        """Take note of `message` without blocking."""
        ...


class Hub:
    """Reads the sockets of the sinks. A message that breaks the contract is counted, no more.

    Attributes:
        taken: verdicts that came so far.
    """

    def __init__(
        self,
        verdicts: Socket,
        status: Socket,
        pictures: Socket,
        *,
        fanout: Fanout,
        recorder: Recorder,
        evidence: EvidenceFolder,
        watchers: Sequence[Watcher],
        metrics: Metrics,
        journal: Journal,
        clocks: Clocks,
        clock: Clock,
    ) -> None:
        self._journal = journal
        self._verdicts = verdicts
        self._status = status
        self._pictures = pictures
        self._evidence = evidence
        self._fanout = fanout
        self._recorder = recorder
        self._watchers = watchers
        self._metrics = metrics
        self._clock = clock
        self._arrivals = Arrivals(clocks)
        self.taken = 0
        self._complain = Every(10.0, clock)
        self._poller = zmq.Poller()
        self._poller.register(verdicts, zmq.POLLIN)
        self._poller.register(status, zmq.POLLIN)
        self._poller.register(pictures, zmq.POLLIN)

    def recall(self, outcomes: Iterable[tuple[StreamKey, int, Outcome]]) -> None:
        """Keep to what an earlier process judged: those frames are not told again.

        The scorer sends again what it has no acknowledgement of, be it stored or not.
        """
        for stream, frame_id, outcome in outcomes:
            self._arrivals.recall(stream, frame_id, outcome)

    def turn(self, wait_ms: int) -> bool:
        """Take in what is there, waiting up to `wait_ms` for it; whether verdicts came."""
        ready = dict(self._poller.poll(wait_ms))
        if self._verdicts in ready:
            self._take(self._verdicts, self._verdict)
        if self._status in ready:
            self._take(self._status, self._message)
        if self._pictures in ready:
            self._take(self._pictures, self._picture)
        self.acknowledge()
        return self._verdicts in ready

    def drain(
        self, *, idle_s: float, within_s: float, most: int, go_on: Callable[[], bool]
    ) -> None:
        """Take in what is still on its way, until no verdict came for `idle_s`.

        A sender that goes on would never be done, hence for `within_s` and at `most` so many
        verdicts: what is not taken is not acknowledged, and comes again. `go_on` is asked all the
        while.
        """
        start_s = last_s = self._clock.monotonic_s()
        limit = self.taken + most
        while go_on() and self.taken < limit:
            if self.turn(10):
                last_s = self._clock.monotonic_s()
            now_s = self._clock.monotonic_s()
            if now_s - last_s >= idle_s or now_s - start_s >= within_s:
                return

    def acknowledge(self) -> None:
        """Tell the senders what is stored. One that is gone is not waited for."""
        stored = defaultdict[bytes, list[int]](list)
        deliveries = self._recorder.stored()
        self._journal.stored((each.stream, each.frame_id) for each in deliveries)
        for each in deliveries:
            if each.identity:
                stored[each.identity].append(each.delivery_id)
        for identity, ids in stored.items():
            for start in range(0, len(ids), MAX_ACKS):
                ack = AckMessage(delivery_ids=tuple(ids[start : start + MAX_ACKS]))
                self._verdicts.send_multipart([identity, encode(ack)])

    def _take(self, socket: Socket, handle: Callable[[list[bytes]], None]) -> None:
        for _ in range(BURST):
            try:
                handle(socket.recv_multipart(zmq.NOBLOCK))
            except zmq.Again:
                return
            except WireError as error:
                self._metrics.wire_error()
                if self._complain.due():
                    log.warning("message dropped: %s", error)

    def _verdict(self, parts: list[bytes]) -> None:
        self.taken += 1
        identity, *rest = parts
        header = decode_verdict(rest)
        _refuse_above(header.frame_id)
        arrival = self._arrivals.take(identity, header, self._clock.wall_ns())
        if arrival.first:
            self._journal.note(arrival)
        self._fanout.offer(arrival)
        if arrival.first:
            self._metrics.arrived(arrival)

    def _picture(self, parts: list[bytes]) -> None:
        if not self._evidence.offer(decode_evidence(parts)):
            self._metrics.dropped(self._evidence.name, DeliveryReason.QUEUE_FULL)

    def _message(self, parts: list[bytes]) -> None:
        if len(parts) != 1:
            raise WireError(f"status message of {len(parts)} parts", "expected one")
        message = decode(parts[0])
        if isinstance(message, DropMessage):
            _refuse_above(message.last_frame_id)
        elif isinstance(message, CameraMessage | EndOfStreamMessage):
            _refuse_above(message.decoded, message.admitted)
        elif not isinstance(message, ProcessMessage):
            raise WireError(f"{message.type} on the status channel")
        for watcher in self._watchers:
            watcher.observe(message)


def _refuse_above(*counts: int) -> None:
    """Refuse what no camera can count to, before it upsets a book."""
    if max(counts) > MAX_COUNT:
        raise WireError(f"count of {max(counts)}", f"at most {MAX_COUNT}")
