"""Enrolling from a camera: picks frames as they pass, then teaches the line with them."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

import numpy as np

from contract.clock import NS_PER_S, Clock
from contract.codec import Frame
from contract.errors import ConfigError, FlawlineError
from contract.messages import RequestMessage
from scorer.enrolment import enroll
from scorer.lines import Lines
from scorer.pixels import Picture
from scorer.shelf import Shelf
from scorer.winclip import WinClip

log = logging.getLogger(__name__)


@dataclass
class _Order:
    request: RequestMessage
    pictures: list[Picture] = field(default_factory=list)
    newest_ns: int = 0


class Collector:
    """At most one enrolment at a time. The frames it looks at are judged as ever."""

    def __init__(self, model: WinClip, lines: Lines, shelf: Shelf, clock: Clock) -> None:
        self._model = model
        self._lines = lines
        self._shelf = shelf
        self._clock = clock
        self._order: _Order | None = None
        self._last = "nothing enrolled yet"

    def start(self, request: RequestMessage) -> str:
        """Begin to collect `request.count` frames of a line.

        Raises:
            FlawlineError: one is under way.
            ConfigError: no such camera, or no count.
        """
        if self._order is not None:
            raise FlawlineError("an enrolment is under way", self.progress())
        line = self._lines[request.line or ""].line
        cameras = [camera.name for camera in line.cameras]
        if request.count is None:
            raise ConfigError("enroll needs a count", "how many good parts to take")
        if request.camera is not None and request.camera not in cameras:
            raise ConfigError(
                f"line {line.name} has no camera {request.camera}", f"it has {', '.join(cameras)}"
            )
        self._order = _Order(request)
        return self.progress()

    def see(self, frame: Frame) -> None:
        """Look at a frame that passes; keeps a copy if it is wanted."""
        if self._order is None or frame.header.taint is not None:
            return
        request, header = self._order.request, frame.header
        spaced_ns = self._order.newest_ns + int(request.interval_s * NS_PER_S)
        if (
            header.line == request.line
            and request.camera in (None, header.camera)
            and header.captured_ns >= spaced_ns
            and len(self._order.pictures) < (request.count or 0)
        ):
            self._order.pictures.append(np.array(frame.pixels))
            self._order.newest_ns = header.captured_ns

    def finish(self) -> None:
        """Teach the line once the frames are there; a failure is logged and can be asked for."""
        if self._order is None or len(self._order.pictures) < (self._order.request.count or 0):
            return
        order, self._order = self._order, None
        line = self._lines[order.request.line or ""].line
        try:
            manifest = enroll(self._model, line, order.pictures, self._shelf, self._clock)
            self._last = f"line {line.name}: enrolled {manifest.version}"
            log.info("%s", self._last)
        except FlawlineError as error:
            self._last = f"line {line.name}: enrolment failed: {error}"
            log.error("%s", self._last)

    def progress(self) -> str:
        """What is under way, or how the last enrolment ended."""
        if self._order is None:
            return self._last
        wanted = self._order.request.count
        return f"line {self._order.request.line}: {len(self._order.pictures)} of {wanted} frames"
