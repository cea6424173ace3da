"""What systemd hears of a service: a datagram socket as sd_notify(3) has it."""

from __future__ import annotations

import socket


class Systemd:
    """Listens at `address`, a path or `@` and an abstract name. Close it."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address.replace("@", "\0"))
        self._socket.setblocking(False)
        self.environment = {"NOTIFY_SOCKET": address}

    def close(self) -> None:
        self._socket.close()

    def heard(self) -> list[str]:
        """What came since this was last asked."""
        states = []
        while True:
            try:
                states.append(self._socket.recv(256).decode())
            except BlockingIOError:
                return states
