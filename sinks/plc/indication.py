"""What the PLC is told of one verdict, or of several that piled up before one write. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

from contract.messages import Outcome
from contract.reasons import RESULT_FAULTS, Fault
from sinks.arrival import Arrival
from sinks.plc.registers import NO_BITS, Status


@dataclass(frozen=True, kw_only=True)
class Indication:
    """One or more verdicts as one, fail-safe.

    Attributes:
        count: how many verdicts.
        passed: all of them are good, valid until the first of their deadlines.
        failed: at least one is bad, valid until the last deadline of the bad ones.
        outcome, score, frame_id, camera: of the worst; of the latest among equals.
    """

    count: int = 1
    passed: bool
    pass_until_ns: int
    failed: bool
    fail_until_ns: int
    reviewed: bool
    outcome: Outcome
    score: float
    frame_id: int
    camera: int

    @classmethod
    def of(cls, arrival: Arrival, *, camera: int, review_as: Literal["PASS", "FAIL"]) -> Indication:
        """What a verdict of the line's camera number `camera` is to the PLC."""
        verdict, until_ns = arrival.header, arrival.until_ns
        told = review_as if verdict.outcome is Outcome.REVIEW else verdict.outcome.value
        score = verdict.anomaly_score
        return cls(
            passed=told == "PASS",
            pass_until_ns=until_ns,
            failed=told == "FAIL",
            fail_until_ns=until_ns if told == "FAIL" else 0,
            reviewed=verdict.outcome is Outcome.REVIEW,
            outcome=verdict.outcome,
            score=math.nan if score is None else score,
            frame_id=verdict.frame_id,
            camera=camera,
        )

    def then(self, later: Indication) -> Indication:
        """This and a `later` result as one."""
        worst = self if _rank(self) > _rank(later) else later
        return replace(
            worst,
            count=self.count + later.count,
            passed=self.passed and later.passed,
            pass_until_ns=min(self.pass_until_ns, later.pass_until_ns),
            failed=self.failed or later.failed,
            fail_until_ns=max(self.fail_until_ns, later.fail_until_ns),
            reviewed=self.reviewed or later.reviewed,
        )

    @property
    def until_ns(self) -> int:
        """Until when the result bits count."""
        return self.fail_until_ns if self.failed else self.pass_until_ns

    def without_use(self) -> Indication:
        """The same, never PASS or FAIL again."""
        return replace(self, passed=False, failed=False)

    def without_pass(self) -> Indication:
        """The same, never PASS again."""
        return replace(self, passed=False)

    def status(self, now_ns: int) -> Status:
        """The result bits at `now_ns`; none once the deadline passed."""
        review = Status.REVIEW if self.reviewed else NO_BITS
        if self.failed and now_ns <= self.fail_until_ns:
            return Status.FAIL | review
        if self.passed and now_ns <= self.pass_until_ns:
            return Status.PASS | review
        return NO_BITS

    def fault(self, now_ns: int) -> Fault:
        """Why this result says neither PASS nor FAIL at `now_ns`; NONE if it does."""
        if self.status(now_ns):
            return Fault.NONE
        return RESULT_FAULTS.get(self.outcome, Fault.RESULT_LATE)


def _rank(result: Indication) -> tuple[bool, ...]:
    """Bad before unusable before good; among equals FAIL before REVIEW before the rest."""
    return (
        result.failed,
        not result.passed,
        result.outcome is Outcome.FAIL,
        result.outcome is Outcome.REVIEW,
    )
