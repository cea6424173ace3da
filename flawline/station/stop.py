"""Being told to stop."""

from __future__ import annotations

import signal
import threading
from types import FrameType


class StopRequest:
    """SIGINT and SIGTERM as a question; a second signal changes nothing."""

    def __init__(self) -> None:
        self._event = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._event.set()

    def __call__(self) -> bool:
        return self._event.is_set()

    def wait(self, seconds: float) -> bool:
        """Whether the request came within `seconds`."""
        return self._event.wait(seconds)
