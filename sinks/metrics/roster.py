"""The cameras that there should be: a reload adds and removes some while the sinks run on."""

from __future__ import annotations

import threading
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import NamedTuple

from contract.config import Config
from contract.config_file import load_config
from contract.errors import ConfigError

Camera = tuple[str, str, str]
"""Station, line and name, as in `StreamKey`."""


class Cameras(NamedTuple):
    """The cameras that are configured, and those that were until a reload."""

    configured: AbstractSet[Camera]
    removed: AbstractSet[Camera] = frozenset()

    @property
    def known(self) -> AbstractSet[Camera]:
        """Both: messages about a removed one are still on their way."""
        return self.configured | self.removed


class Roster:
    """Reads the configuration again once its file is another; a broken one changes nothing.

    Thread-safe.
    """

    def __init__(self, config: Config, path: Path) -> None:
        self._path = path
        self._cameras = Cameras(_cameras(config))
        self._seen: tuple[int, ...] | None = None
        self._lock = threading.Lock()

    def cameras(self) -> Cameras:
        """As the file says now."""
        with self._lock:
            return self._read()

    def _read(self) -> Cameras:
        state = self._state()
        if state is not None and state != self._seen:
            self._seen = state  # Also if it is broken: to read it again would tell the same.
            try:
                configured = _cameras(load_config(self._path))
            except ConfigError:
                return self._cameras
            before = self._cameras.configured | self._cameras.removed
            self._cameras = Cameras(configured, before - configured)
        return self._cameras

    def _state(self) -> tuple[int, ...] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size


def _cameras(config: Config) -> frozenset[Camera]:
    return frozenset((config.station, line.name, camera.name) for line, camera in config.cameras())
