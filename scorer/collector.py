"""Enrolling from a camera: picks frames as they pass, then teaches the line with them."""

from __future__ import annotations

import logging
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import numpy as np

from contract.clock import NS_PER_S, Clock
from contract.codec import Frame
from contract.errors import ConfigError, FlawlineError
from contract.messages import RequestMessage
from scorer.enrolment import enroll
from scorer.lines import Lines
from scorer.pixels import Picture
from scorer.shelf import Manifest, Shelf
from scorer.winclip import WinClip

log = logging.getLogger(__name__)


@dataclass
class _Order:
    request: RequestMessage
    pictures: list[Picture] = field(default_factory=list)
    newest_ns: int = 0


class Collector:
    """At most one enrolment at a time. Use as a context manager.

    The frames it looks at are judged as ever, and the memory is made in a thread of its own, so
    that scoring and the heartbeat go on meanwhile.
    """

    def __init__(self, model: WinClip, lines: Lines, shelf: Shelf, clock: Clock) -> None:
        self._model = model
        self._lines = lines
        self._shelf = shelf
        self._clock = clock
        self._order: _Order | None = None
        self._last = "nothing enrolled yet"
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="enrol")
        self._teaching: Future[Manifest] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._worker.shutdown(cancel_futures=True)

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
        side_px = self._lines[request.line or ""].line.inspection_px
        spaced_ns = self._order.newest_ns + int(request.interval_s * NS_PER_S)
        if (
            header.line == request.line
            and (header.height_px, header.width_px) == (side_px, side_px)
            and request.camera in (None, header.camera)
            and header.captured_ns >= spaced_ns
            and len(self._order.pictures) < (request.count or 0)
        ):
            self._order.pictures.append(np.array(frame.pixels))
            self._order.newest_ns = header.captured_ns

    def tend(self) -> None:
        """Teach the line once the frames are there, and note how it ended."""
        order = self._order
        if order is None or len(order.pictures) < (order.request.count or 0):
            return
        line = self._lines[order.request.line or ""].line
        if self._teaching is None:
            self._teaching = self._worker.submit(
                enroll, self._model, line, order.pictures, self._shelf, self._clock
            )
        elif self._teaching.done():
            try:
                self._last = f"line {line.name}: enrolled {self._teaching.result().version}"
                log.info("%s", self._last)
            except FlawlineError as error:
                self._last = f"line {line.name}: enrolment failed: {error}"
                log.error("%s", self._last)
            finally:
                self._order = self._teaching = None

    def progress(self) -> str:
        """What is under way, or how the last enrolment ended."""
        if self._order is None:
            return self._last
        if self._teaching is not None:
            return f"line {self._order.request.line}: making the reference memory"
        wanted = self._order.request.count
        return f"line {self._order.request.line}: {len(self._order.pictures)} of {wanted} frames"
