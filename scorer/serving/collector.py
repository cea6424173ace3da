"""Enrolling from a camera: picks frames as they pass, then teaches the line with them.

Frames that pass right after the references are witnesses: the new threshold is compared with what
they score, and whoever enrols is told if it does not fit them.
"""

from __future__ import annotations

import logging
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event
from types import TracebackType
from typing import Literal, Self

from contract.clock import Clock
from contract.codec import Frame
from contract.errors import ConfigError, FlawlineError
from contract.messages import RequestMessage
from scorer.references.contact_sheet import SHEET
from scorer.references.enrolment import enroll
from scorer.references.manifest import Manifest
from scorer.references.shelf import Shelf
from scorer.scoring.winclip import WinClip
from scorer.serving.lines import Lines
from scorer.serving.order import REFERENCE_BYTES, WITNESSES, Order

PATIENCE_S = 120.0
MAX_NAMED = 8
WITNESS_PATIENCE_S = 10.0
EnrolmentState = Literal["idle", "collecting", "teaching", "done", "failed"]

log = logging.getLogger(__name__)


class Collector:
    """At most one enrolment at a time. Use as a context manager.

    The frames it looks at are judged as ever, and the memory is made in a thread of its own, so
    that scoring and the heartbeat go on meanwhile. Leaving gives up what is not done: a stop must
    not wait for it.
    """

    def __init__(self, model: WinClip, lines: Lines, shelf: Shelf, clock: Clock) -> None:
        self._model = model
        self._lines = lines
        self._shelf = shelf
        self._clock = clock
        self._order: Order | None = None
        self._last = "nothing enrolled yet"
        self._ended: EnrolmentState = "idle"
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="enrol")
        self._teaching: Future[Manifest] | None = None
        self._closing = Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closing.set()
        if self._teaching is not None and not self._teaching.done():
            log.error("the scorer ends: given up: %s", self.progress())
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
        most = REFERENCE_BYTES // (3 * line.inspection_px**2)
        if request.count > most:
            raise ConfigError(
                f"{request.count} frames of {line.inspection_px} px are more than the scorer can "
                "hold beside its work",
                f"take at most {most}, or enroll from a folder of pictures",
            )
        patience_s = PATIENCE_S + request.count * request.interval_s
        self._order = Order(request, self._clock.monotonic_s() + patience_s)
        return self.progress()

    @property
    def state(self) -> EnrolmentState:
        """How far the newest enrolment is."""
        if self._order is None:
            return self._ended
        return "collecting" if self._teaching is None else "teaching"

    def see(self, frame: Frame) -> None:
        """Look at a frame that passes; keeps a copy if it is wanted."""
        order, header = self._order, frame.header
        if order is None or self._teaching is not None or header.taint is not None:
            return
        line, wanted = self._lines[order.request.line or ""].line, order.request.camera
        side_px = line.inspection_px
        if (
            header.line == line.name
            and (header.height_px, header.width_px) == (side_px, side_px)
            and header.camera in {each.name for each in line.cameras if wanted in (None, each.name)}
            and header.captured_ns >= order.newest_ns + order.interval_ns
            and not (order.has_pictures and order.has_witnesses)
        ):
            order.take(frame)

    def tend(self) -> None:
        """Teach the line once the frames are there, and note how it ended."""
        order = self._order
        if order is None:
            return
        line, now_s = order.request.line or "", self._clock.monotonic_s()
        if not order.has_pictures:
            if now_s > order.until_s:
                self._end("failed", f"line {line}: enrolment failed: {self.progress()} in time")
        elif self._teaching is None:
            if order.witnesses_until_s is None:
                order.witnesses_until_s = now_s + WITNESS_PATIENCE_S
            if order.has_witnesses or now_s >= order.witnesses_until_s:
                self._teach(order)
        elif self._teaching.done():
            try:
                manifest = self._teaching.result()
                text = self._told(manifest)
            except (FlawlineError, RuntimeError, ValueError, MemoryError) as error:
                self._end("failed", f"line {line}: enrolment failed: {error}")
            else:
                self._end("done", text, warned=bool(manifest.warnings))

    def _teach(self, order: Order) -> None:
        line = self._lines[order.request.line or ""].line
        self._teaching = self._worker.submit(
            enroll,
            self._model,
            line,
            order.pictures,
            self._shelf,
            self._clock,
            names=order.names,
            stream=order.witnesses,
            step=self._go_on,
        )

    def _go_on(self) -> None:
        if self._closing.is_set():
            raise FlawlineError("the scorer ends", "enroll again once it runs")

    def _told(self, manifest: Manifest) -> str:
        """What was taken, where a person can look at it, and what speaks against it."""
        sheet = self._shelf.folder(manifest.line, manifest.version) / SHEET
        return "\n".join(
            [
                f"line {manifest.line}: enrolled {manifest.version}, FAIL from "
                f"{manifest.fail_threshold:.4f} on",
                f"references: {'; '.join(manifest.reference_names[:MAX_NAMED])}"
                + (" ..." if len(manifest.reference_names) > MAX_NAMED else ""),
                f"contact sheet: {sheet.resolve()}",
                *(f"warning: {warning}" for warning in manifest.warnings),
            ]
        )

    def _end(self, state: EnrolmentState, text: str, *, warned: bool = False) -> None:
        level = logging.WARNING if warned else logging.INFO
        log.log(logging.ERROR if state == "failed" else level, "%s", text.replace("\n", "; "))
        self._ended, self._last = state, text
        self._order = self._teaching = None

    def progress(self) -> str:
        """What is under way, or how the last enrolment ended."""
        order = self._order
        if order is None:
            return self._last
        line, wanted = order.request.line, order.request.count
        if self._teaching is not None:
            return f"line {line}: making the reference memory"
        if order.witnesses_until_s is not None:
            return (
                f"line {line}: {wanted} of {wanted} frames, and {len(order.witnesses)} of "
                f"{WITNESSES} more to compare the threshold with"
            )
        return f"line {line}: {len(order.pictures)} of {wanted} frames"
