"""Being told to stop, to hurry, or to read the configuration again."""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType


class StopRequest:
    """SIGINT and SIGTERM as a question; a second one says to hurry."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._signals = 0
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.request()

    def request(self) -> None:
        """Ask for a stop, or for haste if that was asked before."""
        self._signals += 1
        self._event.set()

    def __call__(self) -> bool:
        return self._event.is_set()

    @property
    def hurried(self) -> bool:
        """Whether the stop was asked for more than once."""
        return self._signals > 1

    def wait(self, seconds: float) -> bool:
        """Whether the request came within `seconds`."""
        return self._event.wait(seconds)


class ReloadRequest:
    """SIGHUP as a question; that of a terminal that was closed asks `stop` instead."""

    def __init__(self, stop: StopRequest) -> None:
        self._stop = stop
        self._had_terminal = _has_terminal()
        self._came = False
        signal.signal(signal.SIGHUP, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._had_terminal and not _has_terminal():
            self._stop.request()
        else:
            self._came = True

    def taken(self) -> bool:
        """Whether a request came since the last call."""
        came, self._came = self._came, False
        return came


def _has_terminal() -> bool:
    return os.isatty(sys.__stderr__.fileno()) if sys.__stderr__ is not None else False
