"""The main loop's work: from the sockets to the sinks, and acknowledgements back."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import zmq

from contract.clock import Clock
from contract.codec import MAX_COUNT, decode, decode_evidence, decode_verdict, encode
from contract.errors import WireError
from contract.messages import (
    AckMessage,
    CameraMessage,
    DropMessage,
    EndOfStreamMessage,
    ProcessMessage,
    StatusMessage,
    StreamKey,
)
from contract.process import Every
from contract.reasons import DeliveryReason
from contract.sockets import Socket
from sinks.admission import Admission, Standing
from sinks.arrival import Arrival, Arrivals
from sinks.clocks import Clocks
from sinks.evidence.evidence import EvidenceFolder
from sinks.fanout import Fanout
from sinks.journal import Journal
from sinks.metrics.metrics import Metrics
from sinks.plc.plcs import Plcs
from sinks.recorder.recorder import Recorder

BURST = 64
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
        plcs: Plcs,
        fanout: Fanout,
        recorder: Recorder,
        evidence: EvidenceFolder,
        watchers: Sequence[Watcher],
        metrics: Metrics,
        journal: Journal,
        admission: Admission,
        clocks: Clocks,
        clock: Clock,
    ) -> None:
        self._admission = admission
        self._journal = journal
        self._verdicts = verdicts
        self._status = status
        self._pictures = pictures
        self._evidence = evidence
        self._plcs = plcs
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

    def recall(self, stored: Iterable[tuple[StreamKey, int]], judged: Iterable[Arrival]) -> None:
        """Keep to what an earlier process stored, or judged and did not store.

        The scorer sends again what it has no acknowledgement of: that is not told again.
        """
        for stream, frame_id in stored:
            self._arrivals.recall(stream, frame_id)
        for arrival in judged:
            self._arrivals.conclude(arrival)

    def turn(self, wait_ms: int) -> bool:
        """Take in what is there, waiting up to `wait_ms` for it; whether verdicts came."""
        ready = dict(self._poller.poll(wait_ms))
        if self._status in ready:
            # First: heartbeats say whose clock is wrong, before verdicts are judged by it.
            self._take(self._status, self._message)
        if self._verdicts in ready:
            self._take(self._verdicts, self._verdict)
        if self._pictures in ready:
            self._take(self._pictures, self._picture)
        self._conclude_all()
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
            done = now_s - last_s >= idle_s and self._plcs.idle
            if done or now_s - start_s >= within_s:
                break
        self._plcs.give_up()
        self._conclude_all()

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
        standing = self._admission.of_stream(header.stream, "verdicts")
        if standing is Standing.REFUSED:
            # Its sender would hold it for ever, and in the end no other.
            ack = AckMessage(delivery_ids=(header.delivery_id,))
            self._verdicts.send_multipart([identity, encode(ack)])
            return
        arrival = self._arrivals.take(identity, header, self._clock.wall_ns())
        if standing is Standing.BOOKED:
            self._book(arrival)
        elif arrival.first:
            self._metrics.arrived(arrival)
            if not self._plcs.tell(arrival):
                self._conclude(arrival)
        elif not self._arrivals.is_open(arrival):
            self._fanout.offer(arrival)

    def _conclude_all(self) -> None:
        for arrival in self._plcs.concluded():
            self._conclude(arrival)

    def _conclude(self, arrival: Arrival) -> None:
        """Nothing changes any more about `arrival`: book it, and tell all but the PLC."""
        self._journal.note(arrival)
        self._arrivals.conclude(arrival)
        self._fanout.offer(arrival)

    def _book(self, arrival: Arrival) -> None:
        """Give the frame its outcome in the book, and tell nobody."""
        if arrival.first:
            self._journal.note(arrival)
            self._arrivals.conclude(arrival)
        if not self._recorder.offer(arrival):
            self._metrics.dropped(self._recorder.name, DeliveryReason.QUEUE_FULL)

    def _picture(self, parts: list[bytes]) -> None:
        evidence = decode_evidence(parts)
        stream = evidence.header.verdict.stream
        if self._admission.of_stream(stream, "evidence") is not Standing.KNOWN:
            return
        if not self._evidence.offer(evidence):
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
        standing = self._admission.of_status(message)
        if standing is Standing.KNOWN:
            for watcher in self._watchers:
                watcher.observe(message)
        elif standing is Standing.BOOKED:
            self._recorder.observe(message)


def _refuse_above(*counts: int) -> None:
    """Refuse what no camera can count to, before it upsets a book."""
    if max(counts) > MAX_COUNT:
        raise WireError(f"count of {max(counts)}", f"at most {MAX_COUNT}")
