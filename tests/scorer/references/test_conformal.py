"""The promise about false rejects, tried on all that it says."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from contract.errors import ConfigError
from scorer.references.conformal import (
    CONFIDENCE,
    Calibration,
    frames_needed,
    promise,
    require_enough,
    smallest_rate,
)
from scorer.serving.verdicts import Thresholds, decide

RATES = (0.5, 0.25, 0.2, 0.1, 0.05, 1 / 3, 0.07)
some_scores = st.lists(st.sampled_from([0.0, 0.1, 0.2, 0.25, 0.3, 0.6, 1.0]), min_size=2)


def rejected(score: float, threshold: float) -> bool:
    """What the line does with a frame of this score."""
    return decide(score, Thresholds(threshold), now_ns=0, deadline_ns=None).outcome == "FAIL"


@given(some_scores, st.sampled_from(RATES))
def test_of_frames_like_the_others_no_more_are_rejected_than_promised(
    scores: list[float], rate: float
) -> None:
    """Each frame in turn is the new one: the definition of exchangeable, with ties as they come."""
    if len(scores) - 1 < frames_needed(rate):
        return
    wrong = 0
    for index, score in enumerate(scores):
        others = scores[:index] + scores[index + 1 :]
        threshold = promise(others, rate).threshold
        # A score of 1 cannot be told from a threshold that is cut off there.
        wrong += threshold < 1.0 and rejected(score, threshold)
    assert wrong <= rate * len(scores) + 1e-9


@given(st.lists(st.floats(0, 0.99), min_size=5, max_size=60, unique=True), st.sampled_from(RATES))
def test_no_stricter_threshold_would_keep_the_promise(scores: list[float], rate: float) -> None:
    if len(scores) < frames_needed(rate):
        return
    threshold = promise(scores, rate).threshold
    above = sum(rejected(score, threshold) for score in scores)
    assert (above + 1) / (len(scores) + 1) <= rate + 1e-9
    assert (above + 2) / (len(scores) + 1) > rate - 1e-9, "one more would be too many"


@given(some_scores, st.sampled_from(RATES))
def test_a_p_value_is_as_rare_as_it_says(scores: list[float], rate: float) -> None:
    rare = 0
    for index, score in enumerate(scores):
        others = tuple(sorted(scores[:index] + scores[index + 1 :]))
        told = Calibration(scores=others, false_reject_rate=0.5, false_reject_bound=1.0)
        naive = (1 + sum(other >= score for other in others)) / (1 + len(others))
        assert told.p_value(score) == pytest.approx(naive)
        rare += told.p_value(score) <= rate
    assert rare <= rate * len(scores) + 1e-9


@pytest.mark.parametrize("rate", [*RATES, 0.005, 0.001])
def test_how_many_frames_are_needed(rate: float) -> None:
    needed = frames_needed(rate)
    promise([0.1] * needed, rate)
    said = rf"{needed - 1} good frame.* too few.*{rate:g}.*at least {needed}; {needed - 1} can"
    with pytest.raises(ConfigError, match=said) as told:
        promise([0.1] * (needed - 1), rate)
    if needed > 1:
        meanwhile = float(str(told.value).rsplit(" ", 1)[1])
        assert rate < meanwhile <= 1 / needed + 1e-4
        promise([0.1] * (needed - 1), meanwhile)


def test_what_can_be_promised_meanwhile_can_be() -> None:
    with pytest.raises(ConfigError, match=r"9 can promise 0\.1"):
        promise([0.1] * 9, 0.005)
    assert promise([0.1] * 9, 0.1).threshold > 0.1
    with pytest.raises(ConfigError, match="0 can promise nothing"):
        promise([], 0.1)


def test_the_bound_holds_for_as_many_calibrations_as_it_says() -> None:
    """Scores are uniform, so that a threshold tells its true false-reject rate."""
    random = np.random.default_rng(5)
    held, rates = 0, []
    for _ in range(3000):
        found = promise(random.random(120).tolist(), 0.05)
        rates.append(1 - found.threshold)
        held += 1 - found.threshold <= found.bound
    assert held / 3000 == pytest.approx(CONFIDENCE, abs=0.012)
    assert np.mean(rates) == pytest.approx(6 / 121, abs=0.002), "on average as promised"


@pytest.mark.parametrize("score", [math.nan, math.inf])
def test_a_score_that_is_no_number_calibrates_nothing(score: float) -> None:
    with pytest.raises(ConfigError, match="not a number"):
        promise([0.1] * 50 + [score], 0.1)


def test_a_calibration_that_was_tampered_with_is_refused() -> None:
    with pytest.raises(ValidationError, match="ascending"):
        Calibration(scores=(0.2, 0.1), false_reject_rate=0.5, false_reject_bound=1.0)


@given(st.integers(1, 9999))
def test_what_is_offered_can_be_promised(num: int) -> None:
    require_enough(num, smallest_rate(num))
    assert frames_needed(smallest_rate(num)) <= num
    with pytest.raises(ConfigError, match="too few"):
        require_enough(num, 0.98 / (num + 1))
