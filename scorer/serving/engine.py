"""The engine: schedule, run, post-process. Knows no socket."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from itertools import count
from typing import NamedTuple

from contract.clock import NS_PER_S, Clock
from contract.codec import Frame, Verdict
from contract.messages import SCORED, Outcome, VerdictMessage
from scorer.scoring.memory import Fingerprint
from scorer.serving.batch import BatchScorer, Scored
from scorer.serving.cost import LEARNING_RATE, Cost
from scorer.serving.drift import Drift, Tested
from scorer.serving.lines import LineState
from scorer.serving.picture import encode_jpeg, wants_picture
from scorer.serving.scheduler import Job, Scheduler
from scorer.serving.shadow import ShadowTally
from scorer.serving.verdicts import Decision, decide

DOUBT_AFTER_S = 1.0

log = logging.getLogger(__name__)


class ShadowVerdict(NamedTuple):
    """What a shadow memory says of a frame."""

    version: str
    decision: Decision


class Engine:
    """Turns frames into verdicts: one for each frame that was submitted, whatever happens.

    Args:
        scorer: finds what is in a batch of frames.
        lines: what to judge each line's frames against.
        scheduler: the frames that wait.
        clock: for deadlines and stamps.
        model: what verdicts name as their model.
        cost: what steps take, from warm-up.
        pass_sample_fraction: share of PASS verdicts that carry a picture.

    Attributes:
        outcomes: verdicts so far.
        wait_ns: how long waiting frames may still wait for more to join them.
    """

    def __init__(
        self,
        scorer: BatchScorer,
        lines: Mapping[str, LineState],
        scheduler: Scheduler,
        clock: Clock,
        *,
        model: Fingerprint,
        cost: Cost,
        pass_sample_fraction: float = 0.0,
    ) -> None:
        self._scorer = scorer
        self._lines = lines
        self._scheduler = scheduler
        self._clock = clock
        self._model = model
        self._cost = cost
        self._pass_sample_fraction = pass_sample_fraction
        self._delivery_ids = count()
        self._camera_tokens: dict[tuple[str, str], int] = {}
        self._doubted = False
        self._camera_scored_s: dict[tuple[str, str], float] = {}
        self.outcomes: Counter[Outcome] = Counter()
        self._tallies: dict[str, ShadowTally] = {}
        self._drifts: dict[str, tuple[str | None, Drift]] = {}
        self.wait_ns = 0

    @property
    def shadows(self) -> dict[str, ShadowTally]:
        """Per line that has a shadow memory, how that would have judged."""
        return {
            name: tally
            for name, tally in self._tallies.items()
            if (shadow := self._lines[name].shadow) is not None and shadow.version == tally.version
        }

    def submit(self, frame: Frame, received_ns: int) -> list[Verdict]:
        """Take a frame in: it waits for its turn, or has a verdict at once if it needs no score."""
        state = self._lines.get(frame.header.line)
        job = Job(frame, received_ns, 0 if state is None else state.num_tokens)
        side = 0 if state is None else state.tiling.size_px
        if frame.header.taint is not None:
            return [self._verdict(job, Decision(Outcome.INVALID, frame.header.taint))]
        if state is None:
            return [self._verdict(job, Decision(Outcome.UNSCORED, "unknown_line"))]
        if frame.header.camera not in {camera.name for camera in state.line.cameras}:
            return [self._verdict(job, Decision(Outcome.UNSCORED, "unknown_camera"))]
        if (frame.header.height_px, frame.header.width_px) != (side, side):
            return [self._verdict(job, Decision(Outcome.UNSCORED, "wrong_size"))]
        if state.problem is not None:
            return [self._verdict(job, Decision(Outcome.UNSCORED, state.problem))]
        self._scheduler.add(job)
        return []

    def step(self, *, patient: bool = True) -> list[Verdict]:
        """Score the next batch; `patient`: it may wait for more frames."""
        late, ready, self.wait_ns = self._scheduler.next_batch(
            self._clock.wall_ns(), self._cost, patient=patient, expected=self._expected_tokens
        )
        start_s = self._clock.monotonic_s()
        scored = self._scorer.score(ready)
        now_s = self._clock.monotonic_s()
        step_ns = round((now_s - start_s) * NS_PER_S)
        self._doubt(late, now_s)
        if ready:
            self._learn(ready, scored, step_ns)
            self._camera_scored_s |= {_camera(job): now_s for job in ready}
        return [
            *(self._verdict(job, Decision(Outcome.LATE, "deadline_missed")) for job in late),
            *(self._judge(job, found, step_ns) for job, found in zip(ready, scored, strict=True)),
        ]

    def _expected_tokens(self, job: Job) -> int:
        """As many as the camera's last frame took: what is unchanged costs little."""
        known = self._camera_tokens.get(_camera(job), job.num_tokens)
        return min(known, job.num_tokens)

    def _doubt(self, late: list[Job], now_s: float) -> None:
        """Expect less of cameras whose frames would be late even alone, for a while already.

        Else one frame that changed, or one slow step, could shut a camera out for ever. Frames
        that are late because others go first say nothing of what they cost.
        """
        for job in late:
            camera, tokens = _camera(job), self._expected_tokens(job)
            unseen_s = now_s - self._camera_scored_s.setdefault(camera, now_s)
            alone_ns = job.received_ns + self._cost.step_ns(tokens)
            deadline_ns = job.frame.header.deadline_ns
            if unseen_s <= DOUBT_AFTER_S or deadline_ns is None or alone_ns <= deadline_ns:
                continue
            self._doubted = True
            self._camera_tokens[camera] = tokens // 2
            if not tokens:
                self._cost = self._cost.doubt()

    def _learn(self, jobs: list[Job], scored: list[Scored | None], step_ns: int) -> None:
        """What frames of these cameras cost, and how fast the machine is."""
        tokens = 0
        for job, found in zip(jobs, scored, strict=True):
            saved = 0 if found is None else found.saved_tokens
            self._camera_tokens[_camera(job)] = job.num_tokens - saved
            tokens += job.num_tokens - saved
        # A step that the cache did most of says little of the machine.
        if 2 * tokens >= sum(job.num_tokens for job in jobs):
            # What was believed while frames were given up is worth less than one that was scored.
            rate = 1.0 if self._doubted else LEARNING_RATE
            self._cost = self._cost.learn(tokens, step_ns, rate=rate)
            self._doubted = False

    def abandon(self, reason: str) -> list[Verdict]:
        """UNSCORED(reason) for every frame that waits."""
        return [
            self._verdict(job, Decision(Outcome.UNSCORED, reason))
            for job in self._scheduler.clear()
        ]

    def _judge(self, job: Job, scored: Scored | None, step_ns: int) -> Verdict:
        state = self._lines[job.frame.header.line]
        now_ns = self._clock.wall_ns()
        if scored is None:
            return self._verdict(job, Decision(Outcome.UNSCORED, "scorer_error"), now_ns)
        if state.thresholds is None:
            return self._verdict(job, Decision(Outcome.UNSCORED, "no_threshold"), now_ns)
        deadline_ns = job.frame.header.deadline_ns
        decision = decide(
            scored.anomaly_score, state.thresholds, now_ns=now_ns, deadline_ns=deadline_ns
        )
        shadow = self._shadow(state, scored, decision)
        tested = self._test_drift(state, decision, job.frame.header.camera)
        return self._verdict(job, decision, now_ns, scored, shadow, tested, step_ns)

    def _test_drift(self, state: LineState, decision: Decision, camera: str) -> Tested | None:
        """Whether the line's scores still are those of its calibration, if it has one.

        Those of frames that are LATE count as well.
        """
        calibration, every = state.calibration, state.line.drift_every
        if calibration is None or every is None or decision.score is None:
            return None
        name = state.line.name
        version, drift = self._drifts.get(name, (None, None))
        if drift is None or version != state.memory_version:
            drift = Drift(calibration, every=every)
            self._drifts[name] = state.memory_version, drift
        tested = drift.observe(decision.score, camera)
        if tested is not None and tested.alarm:
            log.warning(
                "line %s: scores run %s than when it was calibrated: look at its newest pictures "
                "(light, focus, position, product); if they are as they should be, calibrate again",
                name,
                tested.direction,
            )
        return tested

    def _shadow(self, state: LineState, scored: Scored, decision: Decision) -> ShadowVerdict | None:
        """What the line's shadow memory says of a frame, counted beside what was decided."""
        if state.shadow is None or scored.shadow_score is None or decision.score is None:
            return None
        said = decide(scored.shadow_score, state.shadow.thresholds, now_ns=0, deadline_ns=None)
        if not {decision.outcome, said.outcome} <= SCORED:
            return None
        self._tally(state, state.shadow.version).count(decision.outcome, said.outcome)
        return ShadowVerdict(state.shadow.version, said)

    def _tally(self, state: LineState, version: str) -> ShadowTally:
        tally = self._tallies.get(state.line.name)
        if tally is None or (tally.beside, tally.version) != (state.memory_version, version):
            tally = ShadowTally(version, beside=state.memory_version)
            self._tallies[state.line.name] = tally
        return tally

    def _verdict(
        self,
        job: Job,
        decision: Decision,
        scored_ns: int | None = None,
        scored: Scored | None = None,
        shadow: ShadowVerdict | None = None,
        tested: Tested | None = None,
        step_ns: int | None = None,
    ) -> Verdict:
        frame = job.frame.header
        state = self._lines.get(frame.line)
        thresholds = None if state is None else state.thresholds
        anomaly_map = None if scored is None or decision.score is None else scored.anomaly_map
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
            model=self._model.model,
            weights_sha256=self._model.weights_sha256,
            preset=self._model.preset,
            map_shape=None if anomaly_map is None else anomaly_map.shape,
            jpeg_nbytes=len(jpeg),
            p_value=_p_value(state, decision.score),
            drift_evidence=None if tested is None else tested.evidence,
            drift_alarm=tested.direction.value if tested is not None and tested.alarm else None,
            step_ns=step_ns,
            reused_fraction=None if scored is None else scored.reused_fraction,
            cache_score_error=None if scored is None else scored.cache_score_error,
            shadow_version=None if shadow is None else shadow.version,
            shadow_score=None if shadow is None else shadow.decision.score,
            shadow_outcome=None if shadow is None else shadow.decision.outcome,
        )
        return Verdict(message, anomaly_map, jpeg)


def _camera(job: Job) -> tuple[str, str]:
    return job.frame.header.line, job.frame.header.camera


def _p_value(state: LineState | None, score: float | None) -> float | None:
    """How likely a good frame scores as high, if the line's memory was calibrated."""
    if score is None or state is None or state.calibration is None:
        return None
    return state.calibration.p_value(score)
