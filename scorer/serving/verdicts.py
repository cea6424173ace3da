"""The verdict rule: from a score to an outcome, and from trouble to anything but PASS."""

from __future__ import annotations

import math
from typing import NamedTuple

from contract.messages import Outcome
from contract.reasons import Reason


class Decision(NamedTuple):
    """An outcome, why (unless scored), and the score if there is one to be trusted."""

    outcome: Outcome
    reason: str | None = None
    score: float | None = None


class Thresholds(NamedTuple):
    """FAIL at or above `fail`; REVIEW from `review` up to it, if given."""

    fail: float
    review: float | None = None


def decide(
    score: float, thresholds: Thresholds, *, now_ns: int, deadline_ns: int | None
) -> Decision:
    """The decision on a scored frame.

    >>> decide(0.4, Thresholds(fail=0.5, review=0.3), now_ns=1, deadline_ns=None).outcome.value
    'REVIEW'
    """
    if not math.isfinite(score):
        return Decision(Outcome.UNSCORED, Reason.SCORE_NOT_FINITE)
    if deadline_ns is not None and now_ns > deadline_ns:
        return Decision(Outcome.LATE, Reason.DEADLINE_MISSED, score)
    # "not below" and not "at or above", so that a threshold that is no number passes nothing.
    if not score < thresholds.fail:
        return Decision(Outcome.FAIL, None, score)
    if thresholds.review is not None and not score < thresholds.review:
        return Decision(Outcome.REVIEW, None, score)
    return Decision(Outcome.PASS, None, score)
