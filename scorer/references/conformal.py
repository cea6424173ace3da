"""Thresholds that keep a promise: split-conformal prediction. Pure.

n scores of good frames that the references do not hold are the calibration. For a promised rate a
of false rejects, FAIL is above the k-th smallest of them, k = ceil((n + 1)(1 - a)): a good frame
like those is rejected with probability at most a, whatever the distribution of scores (Vovk,
Gammerman and Shafer, "Algorithmic Learning in a Random World", 2005). That is on average over
calibrations; for the one at hand the true rate follows Beta(n + 1 - k, k) at worst (Vovk,
"Conditional validity of inductive conformal predictors", 2012), which gives the bound.

The promise is about frames that come like those of the calibration: one per part, from the same
product, light and camera. Many frames of one part count as hardly more than one.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from typing import Final, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, field_validator
from scipy.special import betaincinv

from contract.errors import ConfigError
from contract.section import Score

CONFIDENCE: Final = 0.95
MAX_RATE: Final = 0.5


class Promise(NamedTuple):
    """A threshold and what it is good for.

    Attributes:
        threshold: FAIL (or REVIEW) at or above it.
        rate: of good frames at or above it, on average over calibrations, at most.
        bound: the same for this calibration, with confidence `CONFIDENCE`.
    """

    threshold: float
    rate: float
    bound: float


class Calibration(BaseModel):
    """What a line's thresholds rest on; kept with its reference memory.

    Attributes:
        scores: of the n good frames, ascending.
        false_reject_rate: promised of FAIL.
        false_reject_bound: see `Promise.bound`.
        review_rate: promised of FAIL and REVIEW together, if there is REVIEW.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    scores: tuple[Score, ...] = Field(min_length=1)
    false_reject_rate: float = Field(gt=0, lt=1)
    false_reject_bound: float = Field(gt=0, le=1)
    review_rate: float | None = Field(None, gt=0, lt=1)

    @field_validator("scores")
    @classmethod
    def _ascending(cls, scores: tuple[float, ...]) -> tuple[float, ...]:
        if list(scores) != sorted(scores):
            raise ValueError("scores must be ascending")
        return scores

    def p_value(self, score: float) -> float:
        """How likely a good frame scores as high, in (0, 1].

        >>> Calibration(
        ...     scores=(0.1, 0.2, 0.3), false_reject_rate=0.25, false_reject_bound=0.7
        ... ).p_value(0.25)
        0.5
        """
        higher = len(self.scores) - bisect_left(self.scores, score)
        return (1 + higher) / (1 + len(self.scores))


def promise(scores: Sequence[float], rate: float) -> Promise:
    """The threshold above which at most `rate` of good frames score.

    Args:
        scores: of n good frames, in any order; numbers in [0, 1].

    Raises:
        ConfigError: too few frames for this rate; says how many are needed, and what can be
            promised meanwhile. A score that is no number.
    """
    if not all(math.isfinite(score) for score in scores):
        raise ConfigError("a good frame got a score that is not a number", "verify the weights")
    num = len(scores)
    require_enough(num, rate)
    place = _place(num, rate)
    threshold = math.nextafter(sorted(scores)[place - 1], math.inf)
    bound = float(betaincinv(num + 1 - place, place, CONFIDENCE))
    return Promise(min(1.0, threshold), rate, bound)


def require_enough(num: int, rate: float) -> None:
    """Refuse to promise more than `num` good frames can; to be asked before they are scored.

    Raises:
        ConfigError: says how many are needed, and what can be promised meanwhile.
    """
    if _place(num, rate) > num:
        meanwhile = f"{num} can promise {smallest_rate(num):g}" if num else "0 can promise nothing"
        raise ConfigError(
            f"{num} good frame(s) are too few to promise a false-reject rate of {rate:g}",
            f"at least {frames_needed(rate)}; {meanwhile}",
        )


def smallest_rate(num: int) -> float:
    """The smallest rate that `num` good frames can promise, rounded up to 0.01 %.

    >>> smallest_rate(39)
    0.025
    """
    return math.ceil(round(1e4 / (num + 1), 6)) / 1e4


def frames_needed(rate: float) -> int:
    """The fewest good frames that can promise `rate`.

    >>> frames_needed(0.005)
    199
    """
    num = max(1, math.floor(1 / rate) - 2)
    while _place(num, rate) > num:
        num += 1
    return num


def _place(num: int, rate: float) -> int:
    # Rounded, so that (n + 1)(1 - a) of 190.00000000000003 is the 190 that was meant.
    return math.ceil(round((num + 1) * (1 - rate), 9))
