"""Enrolling from a camera: picks frames as they pass, then teaches the line with them."""

from __future__ import annotations

import logging
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal, Self

import numpy as np

from contract.clock import NS_PER_S, Clock
from contract.codec import Frame
from contract.errors import ConfigError, FlawlineError
from contract.image import Pixels
from contract.messages import RequestMessage
from scorer.references.enrolment import enroll
from scorer.references.manifest import Manifest
from scorer.references.shelf import Shelf
from scorer.scoring.winclip import WinClip
from scorer.serving.lines import Lines

PATIENCE_S = 120.0
EnrolmentState = Literal["idle", "collecting", "teaching", "done", "failed"]

log = logging.getLogger(__name__)


@dataclass
class _Order:
    request: RequestMessage
    until_s: float
    pictures: list[Pixels] = field(default_factory=list)
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
        self._ended: EnrolmentState = "idle"
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
        patience_s = PATIENCE_S + request.count * request.interval_s
        self._order = _Order(request, self._clock.monotonic_s() + patience_s)
        return self.progress()

    @property
    def state(self) -> EnrolmentState:
        """How far the newest enrolment is."""
        if self._order is None:
            return self._ended
        return "collecting" if self._teaching is None else "teaching"

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
        if order is None:
            return
        line = self._lines[order.request.line or ""].line
        if len(order.pictures) < (order.request.count or 0):
            if self._clock.monotonic_s() > order.until_s:
                self._end(
                    "failed", f"line {line.name}: enrolment failed: {self.progress()} in time"
                )
        elif self._teaching is None:
            self._teaching = self._worker.submit(
                enroll, self._model, line, order.pictures, self._shelf, self._clock
            )
        elif self._teaching.done():
            try:
                manifest = self._teaching.result()
            except (FlawlineError, RuntimeError, ValueError, MemoryError) as error:
                self._end("failed", f"line {line.name}: enrolment failed: {error}")
            else:
                self._end("done", f"line {line.name}: enrolled {manifest.version}")

    def _end(self, state: EnrolmentState, text: str) -> None:
        log.log(logging.ERROR if state == "failed" else logging.INFO, "%s", text)
        self._ended, self._last = state, text
        self._order = self._teaching = None

    def progress(self) -> str:
        """What is under way, or how the last enrolment ended."""
        if self._order is None:
            return self._last
        if self._teaching is not None:
            return f"line {self._order.request.line}: making the reference memory"
        wanted = self._order.request.count
        return f"line {self._order.request.line}: {len(self._order.pictures)} of {wanted} frames"
