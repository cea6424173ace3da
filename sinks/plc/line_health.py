"""The health of one line, and the heartbeat that stands for it. Pure, with injected clocks.

The heartbeat counts only while the whole way works: every camera gives fresh frames, the scorer
is alive, verdicts come, and they are of use. Whatever breaks, the counter stands still.

A finished file is no fault, but no service either: while its newest frame is fresh the line is
ONLINE, so that the last verdicts get through; after that the code is ENDED and the heartbeat
stops. A file that ended does not stop a line whose other cameras go on; a live camera that ended
is a CAMERA fault, and so is one of any kind that was stopped.

A clock that is ahead is a fault, because nothing is PASS then. One that is behind is a fault once
it costs results: it is named in the place of the camera or the scorer that it makes look bad.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from contract.clock import NS_PER_S, Clock
from contract.messages import (
    CameraMessage,
    CameraState,
    DropMessage,
    EndOfStreamMessage,
    OfStream,
    ProcessMessage,
    ProcessState,
    StatusMessage,
)
from contract.offset import Offset
from contract.reasons import EndReason, Fault

SCORER = "scorer"


@dataclass
class _Camera:
    """What is known of a camera.

    Attributes:
        fresh_s: monotonic time at which `newest_ns` was last seen to move.
        waiting_s: monotonic time since which admitted frames wait without any verdict coming.
    """

    epoch: int = -1
    newest_ns: int | None = None
    fresh_s: float = 0.0
    ended: bool = False
    admitted: int = 0
    resolved: int = 0
    waiting_s: float | None = None


class LineHealth:
    """Health of the line with `cameras`.

    Args:
        silence_s: how long a camera, the scorer or verdicts may be silent.
        fault_after_late: results in a row that say neither PASS nor FAIL.
    """

    def __init__(
        self,
        cameras: Sequence[str],
        *,
        silence_s: float,
        fault_after_late: int,
        clock: Clock,
    ) -> None:
        self._cameras = {name: _Camera() for name in cameras}
        self._silence_s = silence_s
        self._fault_after_late = fault_after_late
        self._clock = clock
        self._start_s = clock.monotonic_s()
        self._offsets = defaultdict[str, Offset](partial(Offset, clock))
        self._scorer_s: float | None = None
        self._useless = 0
        self._heartbeat = 0

    def observe(self, message: StatusMessage) -> None:
        """Take note of a heartbeat, totals or a drop."""
        now_s = self._clock.monotonic_s()
        if isinstance(message, ProcessMessage):
            if message.process.startswith(SCORER) and message.state is not ProcessState.STARTING:
                self._scorer_s = now_s
                self._hear(SCORER, message.sent_ns)
            return
        camera = self._camera(message)
        if camera is None:
            return
        if isinstance(message, DropMessage):
            # A drop settles its frames, but only a verdict shows that verdicts come.
            camera.resolved = max(camera.resolved, message.last_frame_id + 1)
            camera.waiting_s = now_s if camera.waiting_s is None else camera.waiting_s
        elif isinstance(message, EndOfStreamMessage):
            camera.ended = camera.ended and message.reason == EndReason.FINISHED
        elif isinstance(message, CameraMessage):
            camera.ended = message.state is CameraState.ENDED and not message.live
            if camera.ended:
                # Nothing depends on its clock any more, and nobody will say that it is right.
                self._offsets.pop(message.process, None)
            else:
                self._hear(message.process, message.sent_ns)
            if message.newest_frame_ns is not None and message.newest_frame_ns != camera.newest_ns:
                camera.newest_ns = message.newest_frame_ns
                camera.fresh_s = now_s
            camera.admitted = max(camera.admitted, message.admitted)
            if camera.admitted > camera.resolved and camera.waiting_s is None:
                camera.waiting_s = now_s

    def verdict(self, message: OfStream, frame_id: int) -> None:
        """Take note that a verdict came for `frame_id` of a stream."""
        camera = self._camera(message)
        if camera is not None:
            self._resolve(camera, frame_id)

    def useful(self) -> None:
        """The PLC is about to be told PASS or FAIL in time."""
        self._useless = 0

    def useless(self, count: int) -> None:
        """The PLC was told `count` results that say neither PASS nor FAIL in time."""
        self._useless += count

    def beat(self) -> None:
        """One heartbeat period went by."""
        if self.fault() is Fault.NONE:
            self._heartbeat += 1

    @property
    def heartbeat(self) -> int:
        return self._heartbeat

    def fault(self) -> Fault:
        """What is wrong with the line now."""
        found = next((fault for fault, holds in _CHECKS if holds(self)), Fault.NONE)
        starting = self._clock.monotonic_s() - self._start_s <= self._silence_s
        return Fault.STARTING if found in _UNHEARD and starting else found

    def _camera(self, message: OfStream) -> _Camera | None:
        """The camera of `message`; None if it is not ours, or from an epoch that is over."""
        camera = self._cameras.get(message.camera)
        if camera is None or message.epoch < camera.epoch:
            return None
        if message.epoch > camera.epoch:
            camera.epoch = message.epoch
            camera.admitted = camera.resolved = 0
            camera.waiting_s = None
        return camera

    def _hear(self, process: str, sent_ns: int) -> None:
        self._offsets[process].note(sent_ns=sent_ns, received_ns=self._clock.wall_ns())

    def _resolve(self, camera: _Camera, frame_id: int) -> None:
        camera.resolved = max(camera.resolved, frame_id + 1)
        waiting = camera.admitted > camera.resolved
        camera.waiting_s = self._clock.monotonic_s() if waiting else None

    def _is_fresh(self, camera: _Camera) -> bool:
        """Neither clock may call the newest frame old: wall clocks step, counters stick."""
        if camera.newest_ns is None:
            return False
        age_ns = self._clock.wall_ns() - camera.newest_ns
        return age_ns / NS_PER_S <= self._silence_s and self._moves(camera)

    def _moves(self, camera: _Camera) -> bool:
        return self._clock.monotonic_s() - camera.fresh_s <= self._silence_s

    def _scorer_is_silent(self) -> bool:
        now_s = self._clock.monotonic_s()
        return self._scorer_s is None or now_s - self._scorer_s > self._silence_s

    def _clocks_disagree(self) -> bool:
        offsets = self._offsets.values()
        if any(offset.is_ahead for offset in offsets):
            return True
        if not any(offset.is_behind for offset in offsets):
            return False
        moving = all(camera.ended or self._moves(camera) for camera in self._cameras.values())
        return moving and (self._camera_is_stale() or self._results_are_useless())

    def _camera_is_stale(self) -> bool:
        return any(
            not camera.ended and not self._is_fresh(camera) for camera in self._cameras.values()
        )

    def _all_ended(self) -> bool:
        return all(camera.ended and not self._is_fresh(camera) for camera in self._cameras.values())

    def _verdicts_are_overdue(self) -> bool:
        now_s = self._clock.monotonic_s()
        return any(
            camera.waiting_s is not None and now_s - camera.waiting_s > self._silence_s
            for camera in self._cameras.values()
        )

    def _results_are_useless(self) -> bool:
        return self._useless >= self._fault_after_late


_UNHEARD: Final = frozenset({Fault.CAMERA, Fault.SCORER})
_CHECKS: Final[tuple[tuple[Fault, Callable[[LineHealth], bool]], ...]] = (
    (Fault.ENDED, LineHealth._all_ended),
    (Fault.SCORER, LineHealth._scorer_is_silent),
    (Fault.CLOCK, LineHealth._clocks_disagree),
    (Fault.CAMERA, LineHealth._camera_is_stale),
    (Fault.OVERDUE, LineHealth._verdicts_are_overdue),
    (Fault.LATE, LineHealth._results_are_useless),
)
