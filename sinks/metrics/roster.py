"""The cameras that are configured now: a reload adds and removes some while the sinks run on."""

from __future__ import annotations

from pathlib import Path

from contract.config import Config
from contract.config_file import load_config
from contract.errors import ConfigError

Camera = tuple[str, str, str]
"""Station, line and name, as in `StreamKey`."""


class Roster:
    """Reads the configuration again once its file is another; a broken one changes nothing."""

    def __init__(self, config: Config, path: Path) -> None:
        self._path = path
        self._cameras = _cameras(config)
        self._seen = self._state()

    def cameras(self) -> frozenset[Camera]:
        """All of them, as the file says now."""
        state = self._state()
        if state != self._seen:
            try:
                self._cameras = _cameras(load_config(self._path))
            except ConfigError:
                return self._cameras
            self._seen = state
        return self._cameras

    def _state(self) -> tuple[int, ...] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size


def _cameras(config: Config) -> frozenset[Camera]:
    return frozenset((config.station, line.name, camera.name) for line, camera in config.cameras())
