"""Connections to a channel over tcp: too many, silent ones, and those that only look."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from contextlib import ExitStack

import zmq

from contract.clock import SystemClock
from contract.doorkeeper import Doorkeeper
from contract.reasons import RefusalReason

ROOM = 4
DEADLINE_S = 60.0


def until(holds: Callable[[], object]) -> None:
    deadline_s = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < deadline_s, "the condition did not come true"
        time.sleep(0.005)


class Door:
    """A bound socket with its doorkeeper, and a friend that was there first."""

    def __init__(self, stack: ExitStack) -> None:
        context: zmq.Context[zmq.Socket[bytes]] = stack.enter_context(zmq.Context())
        self._stack = stack
        self.receiver = stack.enter_context(context.socket(zmq.PULL))
        self.keeper = Doorkeeper("door", self.receiver, SystemClock(), room=ROOM)
        self.port = self.receiver.bind_to_random_port("tcp://127.0.0.1")
        self.keeper.start()
        stack.callback(self.keeper.stop)
        self._context = context
        self.friend = self.connect()

    def connect(self) -> zmq.Socket[bytes]:
        """An honest peer."""
        peer = self._stack.enter_context(self._context.socket(zmq.PUSH))
        peer.linger = 0
        peer.connect(f"tcp://127.0.0.1:{self.port}")
        return peer

    def stranger(self) -> socket.socket:
        """Somebody at another address, who connects and says nothing."""
        place, source = ("127.0.0.1", self.port), ("127.0.0.2", 0)
        found = socket.create_connection(place, DEADLINE_S, source_address=source)
        return self._stack.enter_context(found)

    def passes(self, peer: zmq.Socket[bytes]) -> bool:
        peer.send(b"hello")
        return self.receiver.recv() == b"hello"


def test_a_crowd_loses_its_own_and_friends_come_and_go() -> None:
    with ExitStack() as stack:
        door = Door(stack)
        assert door.passes(door.friend)
        strangers = [door.stranger() for _ in range(50)]
        until(lambda: door.keeper.refused[RefusalReason.CROWDED] >= 50 - ROOM + 1)
        while strangers[0].recv(1000):
            pass  # libzmq's greeting, before it is cut off
        assert door.passes(door.friend)
        assert door.passes(door.connect())
        until(lambda: door.keeper.refused[RefusalReason.CROWDED] == 50 - ROOM + 2)


def test_who_shows_nothing_is_closed_and_counted() -> None:
    with ExitStack() as stack:
        door = Door(stack)
        silent = door.stranger()
        while silent.recv(1000):
            pass
        until(lambda: door.keeper.refused[RefusalReason.HANDSHAKE] == 1)
        assert door.passes(door.friend)


def test_who_only_looks_whether_somebody_listens_is_no_trouble() -> None:
    with ExitStack() as stack:
        door = Door(stack)
        for _ in range(20):
            door.stranger().close()
        assert door.passes(door.connect())
        assert door.keeper.refused.total() == 0
