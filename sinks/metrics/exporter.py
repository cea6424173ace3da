"""The HTTP server of the metrics: bounded in connections, time and what it believes of a peer.

The server of the client library takes a thread and a descriptor for whoever connects, for as long
as it likes; so do those of the usual frameworks until a request is whole. This one answers with
the library's handler, and cuts off who is slow or one of too many.
"""

from __future__ import annotations

import logging
import socket
import sys
import threading
from collections import Counter
from socketserver import ThreadingTCPServer
from types import MappingProxyType
from typing import Any, Final, cast

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import MetricsHandler

from contract.clock import Clock
from contract.descriptors import share
from contract.door import BACKLOG, Door
from contract.process import Every
from contract.reasons import REFUSAL_REASONS, RefusalReason

PATIENCE_S: Final = 10.0  # no Prometheus waits longer, unless told to
TURN_S: Final = 0.5
MAX_SCRAPES: Final = 32
REFUSALS: Final = MappingProxyType(
    {
        RefusalReason.CROWDED: b"HTTP/1.0 503 Service Unavailable\r\n"
        b"Retry-After: 5\r\nContent-Length: 0\r\n\r\n",
        RefusalReason.SLOW: b"HTTP/1.0 408 Request Timeout\r\nContent-Length: 0\r\n\r\n",
    }
)

log = logging.getLogger(__name__)


class _Handler(MetricsHandler):
    """Answers one request, or says why not."""

    timeout = 2 * PATIENCE_S  # of one read or write, if nobody cuts it off before

    @property
    def _exporter(self) -> Exporter:
        return cast(Exporter, self.server)

    def handle(self) -> None:
        super().handle()
        reason = self._exporter.refusal_of(self.connection)
        if reason is not None:
            self.wfile.write(REFUSALS[reason])

    def parse_request(self) -> bool:
        # What was cut off looks like a request that is whole.
        return super().parse_request() and self._exporter.refusal_of(self.connection) is None

    def do_GET(self) -> None:
        if self._exporter.may_answer(self.connection):
            super().do_GET()


class Exporter(ThreadingTCPServer):
    """Serves `registry` once `serve` runs in a thread of its own.

    Attributes:
        refused: connections that were cut off, per reason.

    Raises:
        OSError: the address is taken, or none of this host.
    """

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = BACKLOG

    def __init__(self, host: str, port: int, registry: CollectorRegistry, clock: Clock) -> None:
        self.refused: Counter[RefusalReason] = Counter(dict.fromkeys(RefusalReason, 0))
        self._complain = Every(60.0, clock)
        self._door: Door[socket.socket] = Door(
            clock, room=min(MAX_SCRAPES, share()), settled_after_s=PATIENCE_S
        )
        self._lock = threading.Lock()
        self._refusals: dict[socket.socket, RefusalReason] = {}
        self._answered: set[socket.socket] = set()
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        self.address_family, *_, address = found[0]
        super().__init__((str(address[0]), port), _Handler.factory(registry))

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def serve(self) -> None:
        """Serve until `shutdown`."""
        self.serve_forever(TURN_S)

    def process_request(self, request: Any, client_address: Any) -> None:
        crowded = self._door.enter(request, client_address[0])
        if crowded is not None:
            self._cut_off(crowded, RefusalReason.CROWDED)
        super().process_request(request, client_address)

    def service_actions(self) -> None:
        for request in self._door.take_overdue():
            self._cut_off(request, RefusalReason.SLOW)

    def shutdown_request(self, request: Any) -> None:
        self._door.leave(request)
        super().shutdown_request(request)
        with self._lock:
            self._refusals.pop(request, None)
            self._answered.discard(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A peer that went away is its own affair."""
        if not isinstance(sys.exception(), OSError) and self._complain.due():
            log.exception("no metrics for %s", client_address[0])

    def refusal_of(self, request: socket.socket) -> RefusalReason | None:
        """Why `request` is not answered; None: it is, or was."""
        with self._lock:
            return None if request in self._answered else self._refusals.get(request)

    def may_answer(self, request: socket.socket) -> bool:
        """Whether `request` is answered now; from here on nothing else may be written to it."""
        with self._lock:
            if request in self._refusals:
                return False
            self._answered.add(request)
            return True

    def _cut_off(self, request: socket.socket, reason: RefusalReason) -> None:
        """Wake whoever waits for more of `request`, or for it to take its answer."""
        self.refused[reason] += 1
        with self._lock:
            self._refusals[request] = reason
            how = socket.SHUT_RDWR if request in self._answered else socket.SHUT_RD
            try:
                request.shutdown(how)
            except OSError:
                self._refusals.pop(request)  # it is gone by itself
        if self._complain.due():
            log.warning("a connection to the metrics was cut off: %s", REFUSAL_REASONS[reason].text)
