"""Telling systemd how a service is, with the protocol of sd_notify(3).

A datagram to the socket that systemd names in the environment; the packages for it are either
unkept or need a C compiler.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from contract.clock import NS_PER_S, Clock
from contract.process import Every

NS_PER_US = 1_000

log = logging.getLogger(__name__)


class Notifier:
    """Use as a context manager: leaving it says that the service stops, if nobody did.

    Silent without systemd.

    Args:
        environment: NOTIFY_SOCKET, a path or `@` and an abstract name, is where to tell;
            WATCHDOG_USEC and WATCHDOG_PID say how often `alive` must be told, and by whom.
        clock: for the watchdog.
    """

    def __init__(self, environment: Mapping[str, str], clock: Clock) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "").replace("@", "\0", 1)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        # A station does not wait for whoever watches it.
        self._socket.setblocking(False)
        watched = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        limit_us = int(environment.get("WATCHDOG_USEC", "0")) if watched else 0
        self._stopping = False
        # Twice as often as asked for, as sd_watchdog_enabled(3) recommends.
        self._alive = Every(limit_us * NS_PER_US / NS_PER_S / 2, clock) if limit_us else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stopping()
        self._socket.close()

    def ready(self) -> None:
        """The service does its work."""
        self._tell("READY=1")

    def stopping(self) -> None:
        """The service ends: it drains, and is alive meanwhile."""
        if not self._stopping:
            self._stopping = True
            self._tell("STOPPING=1")

    def alive(self) -> None:
        """The main loop goes round; call it there, it tells as often as the watchdog wants."""
        if self._alive is not None and self._alive.due():
            self._tell("WATCHDOG=1")

    def _tell(self, state: str) -> None:
        if not self._address:
            return
        try:
            self._socket.sendto(state.encode(), self._address)
        except OSError as error:
            log.warning("systemd was not told %s: %s", state, error.strerror)
