"""The verdict rule. Whatever is not known to be good is not PASS."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.messages import SCORED, Outcome
from scorer.serving.verdicts import Thresholds, decide

scores = st.floats(0, 1)


@pytest.mark.parametrize(
    ("score", "review", "outcome"),
    [
        (0.49, None, Outcome.PASS),
        (0.5, None, Outcome.FAIL),
        (0.51, None, Outcome.FAIL),
        (0.29, 0.3, Outcome.PASS),
        (0.3, 0.3, Outcome.REVIEW),
        (0.49, 0.3, Outcome.REVIEW),
        (0.5, 0.3, Outcome.FAIL),
        (0.0, None, Outcome.PASS),
        (1.0, None, Outcome.FAIL),
    ],
)
def test_thresholds_belong_to_the_worse_side(
    score: float, review: float | None, outcome: Outcome
) -> None:
    decision = decide(score, Thresholds(0.5, review), now_ns=1, deadline_ns=None)
    assert decision == (outcome, None, score)


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf])
def test_a_score_that_is_no_number_is_no_verdict(score: float) -> None:
    decision = decide(score, Thresholds(0.5), now_ns=1, deadline_ns=None)
    assert decision == (Outcome.UNSCORED, "score_not_finite", None)


@pytest.mark.parametrize("threshold", [math.nan, -math.inf])
def test_a_threshold_that_is_no_number_passes_nothing(threshold: float) -> None:
    assert decide(0.1, Thresholds(threshold), now_ns=1, deadline_ns=None).outcome is Outcome.FAIL
    doubtful = decide(0.1, Thresholds(0.5, threshold), now_ns=1, deadline_ns=None)
    assert doubtful.outcome is Outcome.REVIEW


def test_late_begins_after_the_deadline() -> None:
    assert decide(0.1, Thresholds(0.5), now_ns=10, deadline_ns=10).outcome is Outcome.PASS
    late = decide(0.1, Thresholds(0.5), now_ns=11, deadline_ns=10)
    assert late == (Outcome.LATE, "deadline_missed", 0.1)


@given(
    st.floats(),
    st.builds(Thresholds, st.floats(), st.none() | st.floats()),
    st.integers(0, 20),
    st.none() | st.integers(0, 20),
)
def test_pass_means_in_time_and_below_every_threshold(
    score: float, thresholds: Thresholds, now_ns: int, deadline_ns: int | None
) -> None:
    outcome, reason, kept = decide(score, thresholds, now_ns=now_ns, deadline_ns=deadline_ns)
    if outcome is Outcome.PASS:
        assert score < thresholds.fail
        assert thresholds.review is None or score < thresholds.review
        assert deadline_ns is None or now_ns <= deadline_ns
    assert (reason is None) == (outcome in SCORED)
    assert (kept is None) == (outcome is Outcome.UNSCORED)
