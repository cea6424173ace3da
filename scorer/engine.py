"""The engine: schedule, run, post-process. Knows no socket."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Mapping
from itertools import count

import numpy as np
import numpy.typing as npt

from contract.clock import NS_PER_S, Clock
from contract.codec import Frame, Verdict
from contract.errors import FlawlineError
from contract.messages import Outcome, VerdictMessage
from scorer.lines import LineState
from scorer.picture import encode_jpeg, wants_picture
from scorer.scheduler import Job, Scheduler
from scorer.verdicts import Decision, decide
from scorer.winclip import Result, WinClip

MAX_STEP_S = 0.5
SLOW_FRAME_S = 1.5
MAX_ERRORS_IN_A_ROW = 10
LEARNING_RATE = 0.2
SCORING_ERRORS = (RuntimeError, ValueError, MemoryError, FlawlineError)

log = logging.getLogger(__name__)


class Engine:
    """Turns frames into verdicts: one for each frame that was submitted, whatever happens.

    Args:
        model: the shared backbone.
        lines: what to judge each line's frames against.
        scheduler: the frames that wait.
        clock: for deadlines and stamps.
        pass_sample_fraction: share of PASS verdicts that carry a picture.
    """

    def __init__(
        self,
        model: WinClip,
        lines: Mapping[str, LineState],
        scheduler: Scheduler,
        clock: Clock,
        *,
        pass_sample_fraction: float = 0.0,
    ) -> None:
        self._model = model
        self._lines = lines
        self._scheduler = scheduler
        self._clock = clock
        self._pass_sample_fraction = pass_sample_fraction
        self._delivery_ids = count()
        self._errors_in_a_row = 0
        self._frame_ns = 0.0
        self.outcomes: Counter[Outcome] = Counter()

    def submit(self, frame: Frame, received_ns: int) -> list[Verdict]:
        """Take a frame in: it waits for its turn, or has a verdict at once if it needs no score."""
        job = Job(frame, received_ns)
        state = self._lines.get(frame.header.line)
        side = 0 if state is None else state.line.inspection_px
        if frame.header.taint is not None:
            return [self._verdict(job, Decision(Outcome.INVALID, frame.header.taint))]
        if state is None:
            return [self._verdict(job, Decision(Outcome.UNSCORED, "unknown_line"))]
        if (frame.header.height_px, frame.header.width_px) != (side, side):
            return [self._verdict(job, Decision(Outcome.UNSCORED, "wrong_size"))]
        if state.problem is not None:
            return [self._verdict(job, Decision(Outcome.UNSCORED, state.problem))]
        self._scheduler.add(job)
        return []

    def step(self) -> list[Verdict]:
        """Score the next batch."""
        late, ready = self._scheduler.next_batch(self._clock.wall_ns(), int(self._frame_ns))
        start_s = self._clock.monotonic_s()
        scored = self._run(ready)
        if ready:
            frame_ns = (self._clock.monotonic_s() - start_s) * NS_PER_S / len(ready)
            self._frame_ns += LEARNING_RATE * (frame_ns - self._frame_ns)
        elif late:
            # Forget slowly, or one slow step would have every later frame given up unseen.
            self._frame_ns *= 1 - LEARNING_RATE
        return [
            *(self._verdict(job, Decision(Outcome.LATE, "deadline_missed")) for job in late),
            *(self._judge(job, result) for job, result in zip(ready, scored, strict=True)),
        ]

    def abandon(self, reason: str) -> list[Verdict]:
        """UNSCORED(reason) for every frame that waits."""
        return [
            self._verdict(job, Decision(Outcome.UNSCORED, reason))
            for job in self._scheduler.clear()
        ]

    def _run(self, jobs: list[Job]) -> list[Result | None]:
        """One pass of the tower for all lines, then each line's own words and references.

        A line whose comparison fails does not take the others with it: its frames get None.
        """
        results: list[Result | None] = [None] * len(jobs)
        if not jobs:
            return results
        try:
            features = self._model.features(
                self._model.preprocess([job.frame.pixels for job in jobs])
            )
        except SCORING_ERRORS:
            self._count_error("the image tower failed on %d frames", len(jobs))
            return results
        by_line: dict[str, list[int]] = {}
        for index, job in enumerate(jobs):
            by_line.setdefault(job.frame.header.line, []).append(index)
        for name, indices in by_line.items():
            state = self._lines[name]
            try:
                scored = self._model.score_features(
                    features.take(indices), text=state.text, memory=state.memory
                )
            except SCORING_ERRORS:
                self._count_error("line %s: scoring failed", name)
                continue
            self._errors_in_a_row = 0
            for place, index in enumerate(indices):
                results[index] = Result(scored.anomaly_score[place], scored.anomaly_map[place])
        return results

    def _count_error(self, message: str, *values: object) -> None:
        """Log the exception at hand; too many in a row end the process, which is then restarted."""
        self._errors_in_a_row += 1
        log.exception(message, *values)
        if self._errors_in_a_row >= MAX_ERRORS_IN_A_ROW:
            raise

    def _judge(self, job: Job, result: Result | None) -> Verdict:
        state = self._lines[job.frame.header.line]
        now_ns = self._clock.wall_ns()
        if result is None:
            return self._verdict(job, Decision(Outcome.UNSCORED, "scorer_error"), now_ns)
        if state.thresholds is None:
            return self._verdict(job, Decision(Outcome.UNSCORED, "no_threshold"), now_ns)
        decision = decide(
            float(result.anomaly_score),
            state.thresholds,
            now_ns=now_ns,
            deadline_ns=job.frame.header.deadline_ns,
        )
        if decision.score is None:
            return self._verdict(job, decision, now_ns)
        anomaly_map = result.anomaly_map.cpu().numpy().astype(np.float32)
        return self._verdict(job, decision, now_ns, anomaly_map)

    def _verdict(
        self,
        job: Job,
        decision: Decision,
        scored_ns: int | None = None,
        anomaly_map: npt.NDArray[np.float32] | None = None,
    ) -> Verdict:
        frame = job.frame.header
        state = self._lines.get(frame.line)
        thresholds = None if state is None else state.thresholds
        jpeg = b""
        if anomaly_map is not None and wants_picture(
            decision.outcome, frame.frame_id, pass_sample_fraction=self._pass_sample_fraction
        ):
            jpeg = encode_jpeg(job.frame.pixels)
        self.outcomes[decision.outcome] += 1
        message = VerdictMessage(
            station=frame.station,
            line=frame.line,
            camera=frame.camera,
            epoch=frame.epoch,
            delivery_id=next(self._delivery_ids),
            frame_id=frame.frame_id,
            outcome=decision.outcome,
            reason=decision.reason,
            anomaly_score=decision.score,
            fail_threshold=None if thresholds is None else thresholds.fail,
            review_threshold=None if thresholds is None else thresholds.review,
            captured_ns=frame.captured_ns,
            decoded_ns=frame.decoded_ns,
            received_ns=job.received_ns,
            scored_ns=scored_ns,
            emitted_ns=self._clock.wall_ns(),
            deadline_ns=frame.deadline_ns,
            source_pts_ns=frame.source_pts_ns,
            memory_version=None if state is None else state.memory_version,
            model=self._model.fingerprint.model,
            weights_sha256=self._model.fingerprint.weights_sha256,
            preset=self._model.fingerprint.preset,
            map_shape=None if anomaly_map is None else anomaly_map.shape,
            jpeg_nbytes=len(jpeg),
        )
        return Verdict(message, anomaly_map, jpeg)


def warm_up(model: WinClip, max_batch_frames: int) -> int:
    """Frames per batch such that one step stays under half a second, measured on this machine.

    A longer step would let the heartbeat and the deadlines of waiting frames slip.
    """
    side_px = model.image_px[0]
    blank = np.zeros((1, side_px, side_px, 3), dtype=np.uint8)
    model.features(model.preprocess(blank))
    start_s = time.perf_counter()
    model.features(model.preprocess(blank))
    frame_s = time.perf_counter() - start_s
    if frame_s > SLOW_FRAME_S:
        log.warning(
            "one frame takes %.1f s here: the PLC heartbeat stops meanwhile unless silence_s is "
            "longer; use a GPU, bfloat16 or a smaller model",
            frame_s,
        )
    fitting = max(1, min(max_batch_frames, int(MAX_STEP_S / frame_s)))
    log.info("%.0f ms a frame, batches of up to %d frames", frame_s * 1e3, fitting)
    return fitting
