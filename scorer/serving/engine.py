"""The engine: schedule, run, post-process. Knows no socket."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import count
from typing import NamedTuple

from contract.clock import NS_PER_S, Clock
from contract.codec import Frame
from contract.messages import (
    CacheUse,
    DriftTest,
    Outcome,
    Provenance,
    ShadowVerdict,
    Times,
    VerdictMessage,
)
from contract.reasons import Reason
from scorer.scoring.memory import Fingerprint
from scorer.serving.batch import BatchScorer, Scored
from scorer.serving.clocks import CameraClocks
from scorer.serving.cost import LEARNING_RATE, Cost
from scorer.serving.drift import DriftWatch
from scorer.serving.evidence import Snapshot, wants_picture
from scorer.serving.lines import LineState
from scorer.serving.scheduler import Job, Scheduler
from scorer.serving.shadow import Shadows
from scorer.serving.verdicts import Decision, decide

PROBE_AFTER_S = 1.0

Camera = tuple[str, str]


class Ruling(NamedTuple):
    """A verdict, and what its picture is made of if somebody may want to look at it."""

    header: VerdictMessage
    snapshot: Snapshot | None = None


class Findings(NamedTuple):
    """What scoring adds to a verdict."""

    scored: Scored
    scored_ns: int
    step_ns: int
    drift: DriftTest | None = None
    shadow: ShadowVerdict | None = None


class Engine:
    """Turns frames into verdicts: one for each frame that was submitted, whatever happens.

    Args:
        scorer: finds what is in a batch of frames.
        lines: what to judge each line's frames against.
        scheduler: the frames that wait.
        clock: for deadlines and stamps.
        model: what verdicts name as their model.
        dtype: what its scores are computed in.
        cost: what steps take, from warm-up.
        pass_sample_fraction: share of PASS verdicts that carry a picture.

    Attributes:
        outcomes: verdicts so far.
        shadows: how the lines' shadow memories would have judged.
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
        dtype: str,
        cost: Cost,
        pass_sample_fraction: float = 0.0,
    ) -> None:
        self._scorer = scorer
        self._lines = lines
        self._scheduler = scheduler
        self._clock = clock
        self._model = model
        self._dtype = dtype
        self._cost = cost
        self._pass_sample_fraction = pass_sample_fraction
        self._clocks = CameraClocks(clock)
        self._delivery_ids = count()
        self._camera_tokens: dict[Camera, int] = {}
        self._camera_scored_s: dict[Camera, float] = {}
        self._drift = DriftWatch()
        self.shadows = Shadows(lines)
        self.outcomes: Counter[Outcome] = Counter()
        self.wait_ns = 0
        self._held: Job | None = None
        self._held_s = 0.0

    @property
    def pending(self) -> int:
        """Frames that were submitted and have no verdict yet."""
        return len(self._scheduler) + (self._held is not None)

    def submit(self, frame: Frame, received_ns: int) -> list[Ruling]:
        """Take a frame in: it waits for its turn, or has a verdict at once if it needs no score."""
        state = self._lines.get(frame.header.line)
        job = Job(frame, received_ns, 0 if state is None else state.num_tokens)
        unfit = _unfit(frame, state)
        if unfit is None and not self._clocks.is_trusted(frame.header, received_ns):
            unfit = Decision(Outcome.INVALID, Reason.CLOCK)
        if unfit is not None:
            return [self._ruling(job, unfit)]
        self._scheduler.add(job)
        return []

    def step(self, *, patient: bool = True) -> list[Ruling]:
        """Score the next batch; `patient`: it may wait for more frames."""
        if self._held is not None and self._is_turn_of_probe():
            probe, self._held = self._held, None
            return self._score([probe], rate=1.0)
        late, ready, self.wait_ns = self._scheduler.next_batch(
            self._clock.wall_ns(), self._cost, patient=patient, expected=self._expected_tokens
        )
        if self._held is None:
            self._held, self._held_s = self._probe(late), self._clock.monotonic_s()
        judged = self._score(ready, rate=LEARNING_RATE)
        missed = Decision(Outcome.LATE, Reason.DEADLINE_MISSED)
        return [*(self._ruling(job, missed) for job in late if job is not self._held), *judged]

    def abandon(self, reason: Reason) -> list[Ruling]:
        """UNSCORED(reason) for every frame that waits."""
        decision = Decision(Outcome.UNSCORED, reason)
        waiting = self._scheduler.clear()
        if self._held is not None:
            waiting.append(self._held)
            self._held = None
        return [self._ruling(job, decision) for job in waiting]

    def _is_turn_of_probe(self) -> bool:
        """Once no other frame waits, or it was held for long: it is late anyway, others are not."""
        held_s = self._clock.monotonic_s() - self._held_s
        return not len(self._scheduler) or held_s > PROBE_AFTER_S

    def _score(self, batch: list[Job], *, rate: float) -> list[Ruling]:
        """The verdicts of frames that are scored together; `rate` as in `_learn`."""
        if not batch:
            return []
        start_s = self._clock.monotonic_s()
        scored = self._scorer.score(batch)
        step_ns = round((self._clock.monotonic_s() - start_s) * NS_PER_S)
        self._learn(batch, scored, step_ns, rate=rate)
        return [self._judge(job, found, step_ns) for job, found in zip(batch, scored, strict=True)]

    def _expected_tokens(self, job: Job) -> int:
        """As many as the camera's last frame took: what is unchanged costs little."""
        known = self._camera_tokens.get(_camera(job), job.num_tokens)
        return min(known, job.num_tokens)

    def _probe(self, late: list[Job]) -> Job | None:
        """One frame of those to be given up that is scored all the same, if it is time for one.

        The newest one of the camera that was not scored for longest, for a second at least, because
        its frames would be late even alone. Else one frame that changed, or one slow step, could
        shut a camera out for ever. Frames that are late because others go first say nothing of
        what they cost.
        """
        now_s = self._clock.monotonic_s()

        def unscored_s(job: Job) -> float:
            return now_s - self._camera_scored_s.setdefault(_camera(job), now_s)

        for job in sorted(late, key=lambda job: (unscored_s(job), job.received_ns), reverse=True):
            alone_ns = job.received_ns + self._cost.step_ns(self._expected_tokens(job))
            deadline_ns = job.frame.header.deadline_ns
            late_alone = deadline_ns is not None and alone_ns > deadline_ns
            if late_alone and unscored_s(job) > PROBE_AFTER_S:
                return job
        return None

    def _learn(
        self, jobs: list[Job], scored: list[Scored | None], step_ns: int, *, rate: float
    ) -> None:
        """What frames of these cameras cost, and how fast the machine is.

        Args:
            rate: of learning; 1 after a probe: what was believed until then is worth nothing.
        """
        tokens, now_s = 0, self._clock.monotonic_s()
        for job, found in zip(jobs, scored, strict=True):
            saved = 0 if found is None else found.saved_tokens
            self._camera_tokens[_camera(job)] = job.num_tokens - saved
            self._camera_scored_s[_camera(job)] = now_s
            tokens += job.num_tokens - saved
        # A step that the cache did most of says little of the machine.
        if 2 * tokens >= sum(job.num_tokens for job in jobs):
            self._cost = self._cost.learn(tokens, step_ns, rate=rate)

    def _judge(self, job: Job, scored: Scored | None, step_ns: int) -> Ruling:
        frame = job.frame.header
        state = self._lines[frame.line]
        now_ns = self._clock.wall_ns()
        if scored is None:
            return self._ruling(job, Decision(Outcome.UNSCORED, Reason.SCORER_ERROR))
        if state.thresholds is None:
            return self._ruling(job, Decision(Outcome.UNSCORED, Reason.NO_THRESHOLD))
        decision = decide(
            scored.anomaly_score, state.thresholds, now_ns=now_ns, deadline_ns=frame.deadline_ns
        )
        findings = Findings(
            scored,
            now_ns,
            step_ns,
            self._drift.test(state, decision, frame.camera),
            self.shadows.judge(state, scored, decision),
        )
        return self._ruling(job, decision, findings)

    def _ruling(self, job: Job, decision: Decision, findings: Findings | None = None) -> Ruling:
        """The verdict as it is sent, with its picture if it gets one."""
        frame = job.frame.header
        state = self._lines.get(frame.line)
        thresholds = None if state is None else state.thresholds
        snapshot = None
        if findings is not None and wants_picture(
            decision.outcome, frame.frame_id, pass_sample_fraction=self._pass_sample_fraction
        ):
            snapshot = Snapshot(job.frame.pixels, findings.scored.anomaly_map)
        self.outcomes[decision.outcome] += 1
        header = VerdictMessage(
            **frame.stream._asdict(),
            delivery_id=next(self._delivery_ids),
            frame_id=frame.frame_id,
            outcome=decision.outcome,
            reason=decision.reason,
            anomaly_score=decision.score,
            fail_threshold=None if thresholds is None else thresholds.fail,
            review_threshold=None if thresholds is None else thresholds.review,
            p_value=_p_value(state, decision.score),
            times=self._times(job, findings),
            provenance=self._provenance(state),
            drift=None if findings is None else findings.drift,
            shadow=None if findings is None else findings.shadow,
            cache=None if findings is None else _cache_use(findings.scored),
            picture=snapshot is not None,
        )
        return Ruling(header, snapshot)

    def _times(self, job: Job, findings: Findings | None) -> Times:
        frame = job.frame.header
        return Times(
            captured_ns=frame.captured_ns,
            decoded_ns=frame.decoded_ns,
            received_ns=job.received_ns,
            scored_ns=None if findings is None else findings.scored_ns,
            emitted_ns=self._clock.wall_ns(),
            deadline_ns=frame.deadline_ns,
            source_pts_ns=frame.source_pts_ns,
            step_ns=None if findings is None else findings.step_ns,
        )

    def _provenance(self, state: LineState | None) -> Provenance:
        return Provenance(
            memory_version=None if state is None else state.memory_version,
            model=self._model.model,
            weights_sha256=self._model.weights_sha256,
            preset=self._model.preset,
            dtype=self._dtype,
        )


def _unfit(frame: Frame, state: LineState | None) -> Decision | None:
    """Why a frame is not scored at all; None: it is."""
    header = frame.header
    if header.taint is not None:
        return Decision(Outcome.INVALID, header.taint)
    reason: Reason | None = None
    if state is None:
        reason = Reason.UNKNOWN_LINE
    elif header.camera not in {camera.name for camera in state.line.cameras}:
        reason = Reason.UNKNOWN_CAMERA
    elif (header.height_px, header.width_px) != (state.tiling.size_px, state.tiling.size_px):
        reason = Reason.WRONG_SIZE
    else:
        reason = state.problem
    return None if reason is None else Decision(Outcome.UNSCORED, reason)


def _camera(job: Job) -> Camera:
    return job.frame.header.line, job.frame.header.camera


def _cache_use(scored: Scored) -> CacheUse:
    return CacheUse(reused_fraction=scored.reused_fraction, score_error=scored.cache_score_error)


def _p_value(state: LineState | None, score: float | None) -> float | None:
    """How likely a good frame scores as high, if the line's memory was calibrated."""
    if score is None or state is None or state.calibration is None:
        return None
    return state.calibration.p_value(score)
