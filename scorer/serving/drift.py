"""Drift: whether a line's scores still come from where its calibration came from. Pure.

A conformal test martingale under the Shiryaev-Roberts procedure (Vovk, Gammerman and Shafer,
"Algorithmic Learning in a Random World", 2nd ed. 2022, chapter 8; Volkhonskiy et al., COPA 2017).
Each tested score is ranked, ties at random, among the calibration and all scores tested before (a
sample of them, once they are many); while nothing has changed these p-values are independent and
uniform, whatever the distribution. A
bet of mean 1 is made on each, p = 0.5 paying nothing: that scores run higher, or lower, a little
or a lot. The statistic R = (R + 1) * bet exceeds a limit c no sooner than after c tests on average
while nothing changes, and soon after something does.

Scores that run lower are drift too: a covered lens is a good part to nobody.

Frames of one part are not independent, so each camera's frames are tested with gaps between them.
The gaps are random: even ones would keep step with parts that come evenly, and always test the same
phase of them. The calibration must show parts as the stream does. Defective parts are part of a
line's life: one in twenty raises no alarm, half of all do. A lasting shift that is small beside
what a short calibration knows becomes usual before it is found.
"""

from __future__ import annotations

import logging
import random
from bisect import bisect_left, bisect_right, insort
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from contract.messages import DriftTest
from scorer.references.conformal import Calibration
from scorer.serving.lines import LineState
from scorer.serving.verdicts import Decision

TESTS_TO_FALSE_ALARM: Final = 1_000_000
BETS: Final = (-1.0, -0.5, 0.5, 1.0)
MAX_SCORES: Final = 4096
MAX_STATISTIC: Final = 1e12

log = logging.getLogger(__name__)


class Direction(StrEnum):
    """Where scores went."""

    HIGHER = "higher"
    LOWER = "lower"


@dataclass(frozen=True)
class Tested:
    """What one score adds.

    Attributes:
        evidence: the statistic over its limit; from the alarm on never below 1.
        alarm: this score raised it; once in the life of a `Drift`.
        direction: where scores run, by what is known so far.
    """

    evidence: float
    alarm: bool
    direction: Direction


class Drift:
    """The running test of one line under one calibration.

    Args:
        calibration: what the line's thresholds rest on.
        every: at least so many scores of a camera lie from one tested to the next, and on
            average half as many more.
        seed: of gaps, ties, and of the scores that are kept once there are too many.
    """

    def __init__(self, calibration: Calibration, *, every: int, seed: int = 0) -> None:
        self._known = list(calibration.scores)
        self._num_seen = len(self._known)
        self._every = every
        self._to_go: dict[str, int] = {}
        self._statistics = [0.0] * len(BETS)
        self._alarmed = False
        self._random = random.Random(seed)  # noqa: S311, gaps and ties, no secrets

    def observe(self, score: float, camera: str = "") -> Tested | None:
        """Take note of the score of a camera's frame; None if it is not one to be tested."""
        to_go = self._to_go.get(camera) or self._gap()
        self._to_go[camera] = to_go - 1
        if to_go > 1:
            return None
        p_value = self._rank(score)
        self._keep(score)
        self._statistics = [
            min(MAX_STATISTIC, (statistic + 1.0) * (1.0 + bet * (2.0 * p_value - 1.0)))
            for statistic, bet in zip(self._statistics, BETS, strict=True)
        ]
        evidence = sum(self._statistics) / len(BETS) / TESTS_TO_FALSE_ALARM
        alarm = evidence >= 1.0 and not self._alarmed
        self._alarmed = self._alarmed or alarm
        strongest = max(range(len(BETS)), key=self._statistics.__getitem__)
        return Tested(
            max(1.0, evidence) if self._alarmed else evidence,
            alarm,
            Direction.HIGHER if BETS[strongest] < 0 else Direction.LOWER,
        )

    def _gap(self) -> int:
        return self._random.randrange(self._every, 2 * self._every)

    def _rank(self, score: float) -> float:
        """The smoothed p-value, uniform in [0, 1] while scores are exchangeable."""
        below, up_to = bisect_left(self._known, score), bisect_right(self._known, score)
        higher, equal = len(self._known) - up_to, up_to - below
        return (higher + self._random.random() * (1 + equal)) / (len(self._known) + 1)

    def _keep(self, score: float) -> None:
        """Remember all scores, or a uniform sample of them (Vitter's algorithm R)."""
        self._num_seen += 1
        if len(self._known) >= MAX_SCORES:
            if self._random.random() >= MAX_SCORES / self._num_seen:
                return
            del self._known[self._random.randrange(len(self._known))]
        insort(self._known, score)


class DriftWatch:
    """The running tests of all lines; each begins anew with the line's next memory."""

    def __init__(self) -> None:
        self._drifts: dict[str, tuple[str | None, Drift]] = {}

    def test(self, state: LineState, decision: Decision, camera: str) -> DriftTest | None:
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
        if tested is None:
            return None
        if tested.alarm:
            log.warning(
                "line %s: scores run %s than when it was calibrated: look at its newest pictures "
                "(light, focus, position, product); if they are as they should be, calibrate again",
                name,
                tested.direction,
            )
        return DriftTest(
            evidence=tested.evidence, alarm=tested.direction.value if tested.alarm else None
        )
