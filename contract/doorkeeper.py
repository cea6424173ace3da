"""Bounds the connections to a channel that listens on tcp; libzmq takes whatever comes.

libzmq tells of connections on a monitor, by their descriptors. The one that has to go is shut down,
never closed: the descriptor is libzmq's.
"""

from __future__ import annotations

import errno
import logging
import os
import socket as network
import threading
from collections import Counter
from collections.abc import Callable
from typing import Final, TypeVar

import zmq
from zmq.utils.monitor import recv_monitor_message

from contract.clock import Clock
from contract.door import BACKLOG, Door
from contract.process import Every
from contract.reasons import REFUSAL_REASONS, RefusalReason

HANDSHAKE_S: Final = 10.0
SETTLED_S: Final = 2 * HANDSHAKE_S  # by then libzmq has closed whoever showed no key

_FAILED: Final = (
    zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
)
_EVENTS: Final = zmq.EVENT_ACCEPTED | zmq.EVENT_DISCONNECTED | zmq.EVENT_MONITOR_STOPPED | _FAILED

# Errors of a handshake: the peer went by itself, as those do that only look whether we listen.
_LEFT: Final = frozenset({errno.ECONNRESET, errno.EPIPE})

Result = TypeVar("Result")

log = logging.getLogger(__name__)


class Doorkeeper:
    """Watches a socket that is about to bind, in a thread of its own.

    Attributes:
        refused: connections that came to nothing, per reason.
    """

    def __init__(self, name: str, socket: zmq.Socket[bytes], clock: Clock, *, room: int) -> None:
        self.refused: Counter[RefusalReason] = Counter(dict.fromkeys(RefusalReason, 0))
        self._name = name
        self._socket = socket
        self._door: Door[int] = Door(clock, room=room, settled_after_s=SETTLED_S)
        self._port = 0
        self._grip = _Grip()
        self._cut: set[int] = set()
        self._failed = False
        self._complain = Every(60.0, clock)
        socket.backlog = BACKLOG
        socket.handshake_ivl = round(HANDSHAKE_S * 1000)
        self._monitor = socket.context.socket(zmq.PAIR)
        # While this thread is behind, libzmq waits for it before it accepts many more.
        self._monitor.rcvhwm = 1
        socket.monitor(f"inproc://door-{name}", _EVENTS)
        self._monitor.connect(f"inproc://door-{name}")
        self._thread = threading.Thread(target=self._work, name=f"door {name}", daemon=True)

    def start(self) -> None:
        """Begin; the socket is bound."""
        endpoint = self._socket.getsockopt_string(zmq.LAST_ENDPOINT)
        self._port = int(endpoint.rsplit(":", 1)[1])
        self._thread.start()

    def stop(self) -> None:
        """End; a socket that is closed has ended its monitor by itself."""
        if not self._socket.closed:
            self._socket.monitor(None, 0)
        if self._thread.is_alive():
            self._thread.join()
        self._monitor.close(linger=0)
        self._grip.close()

    def _work(self) -> None:
        while True:
            message = recv_monitor_message(self._monitor)
            event, value = message["event"], int(message["value"])
            if event == zmq.EVENT_MONITOR_STOPPED:
                return
            if event == zmq.EVENT_ACCEPTED:
                self._accepted(value)
            elif event == zmq.EVENT_DISCONNECTED:
                self._disconnected(value)
            elif value not in _LEFT:
                self._failed = True  # whose it was is told next, as a disconnection

    def _accepted(self, fd: int) -> None:
        crowded = self._door.enter(fd, self._grip.address(fd, self._port))
        if crowded is not None and self._grip.shut(crowded, self._port):
            self._cut.add(crowded)
            self._refuse(RefusalReason.CROWDED)

    def _disconnected(self, fd: int) -> None:
        self._door.leave(fd)
        if self._failed and fd not in self._cut:
            self._refuse(RefusalReason.HANDSHAKE)
        self._failed = False
        self._cut.discard(fd)

    def _refuse(self, reason: RefusalReason) -> None:
        self.refused[reason] += 1
        if self._complain.due():
            log.warning("channel %s: %s", self._name, REFUSAL_REASONS[reason].text)


class _Grip:
    """Takes hold of connections by a descriptor of its own, so that none is closed meanwhile.

    It needs no new descriptor for it: there may be none left.
    """

    def __init__(self) -> None:
        self._nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        self._fd = os.dup(self._nothing)

    def close(self) -> None:
        os.close(self._fd)
        os.close(self._nothing)

    def address(self, fd: int, port: int) -> str:
        """Where the connection `fd` to our `port` comes from; empty if it is gone."""
        return self._do(fd, port, lambda connection: str(connection.getpeername()[0])) or ""

    def shut(self, fd: int, port: int) -> bool:
        """Shut the connection `fd` to our `port` down; false if it is gone."""
        return bool(self._do(fd, port, _shut))

    def _do(self, fd: int, port: int, act: Callable[[network.socket], Result]) -> Result | None:
        """`act` on it, if it is there: its number may be that of another one by now."""
        try:
            os.dup2(fd, self._fd, inheritable=False)
            connection = network.socket(network.AF_INET, network.SOCK_STREAM, fileno=self._fd)
            try:
                ours = connection.getsockname()[1:2] == (port,)
                return act(connection) if ours else None
            finally:
                connection.detach()
        except OSError:
            return None
        finally:
            os.dup2(self._nothing, self._fd, inheritable=False)


def _shut(connection: network.socket) -> bool:
    connection.shutdown(network.SHUT_RDWR)
    return True
