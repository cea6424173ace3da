"""What comes over the status channel, and who wants to know."""

from __future__ import annotations

from typing import Protocol

from contract.messages import CameraMessage, DropMessage, EndOfStreamMessage, ProcessMessage

StatusMessage = CameraMessage | DropMessage | EndOfStreamMessage | ProcessMessage


class Watcher(Protocol):
    """Wants to know about cameras and processes."""

    def observe(self, message: StatusMessage) -> None:
        """Take note of `message` without blocking."""
        ...
