"""Bounds and invariants of messages: an error is never a score, only PASS is good."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from contract.messages import SCORED, DropMessage, Outcome, RequestMessage, StreamKey
from tests.contract.examples import STREAM, frame_message, verdict_message
from tests.contract.strategies import verdicts


@pytest.mark.parametrize("outcome", sorted(SCORED))
def test_a_scored_outcome_without_score_is_impossible(outcome: Outcome) -> None:
    with pytest.raises(ValidationError, match="needs an anomaly_score"):
        verdict_message(outcome=outcome, anomaly_score=None)


@pytest.mark.parametrize("outcome", [Outcome.INVALID, Outcome.UNSCORED])
@pytest.mark.parametrize("score", [0.0, 0.3])
def test_an_error_with_a_score_is_impossible(outcome: Outcome, score: float) -> None:
    with pytest.raises(ValidationError, match="must not carry an anomaly_score"):
        verdict_message(outcome=outcome, anomaly_score=score, reason="scorer_error")


@pytest.mark.parametrize("outcome", [Outcome.INVALID, Outcome.UNSCORED, Outcome.LATE])
def test_an_unscored_outcome_says_why(outcome: Outcome) -> None:
    with pytest.raises(ValidationError, match="needs a reason"):
        verdict_message(outcome=outcome, anomaly_score=None)


@pytest.mark.parametrize("field", ["anomaly_score", "fail_threshold", "review_threshold"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -0.01, 1.01])
def test_scores_and_thresholds_are_numbers_from_0_to_1(field: str, value: float) -> None:
    with pytest.raises(ValidationError, match=field):
        verdict_message(**{field: value})


@given(verdicts())
def test_every_verdict_keeps_the_promise(verdict: Any) -> None:
    assert (verdict.outcome in SCORED) <= (verdict.anomaly_score is not None)
    if verdict.outcome in (Outcome.INVALID, Outcome.UNSCORED):
        assert verdict.anomaly_score is None
        assert verdict.reason is not None


@given(st.integers(0, 1000))
def test_frame_whose_bytes_do_not_fit_its_shape_is_refused(nbytes: int) -> None:
    if nbytes == 18:
        frame_message(nbytes=nbytes)
    else:
        with pytest.raises(ValidationError, match="the shape needs 18"):
            frame_message(nbytes=nbytes)


@pytest.mark.parametrize(
    "change",
    [
        {"dtype": "uint16"},
        {"channels": 1},
        {"frame_id": -1},
        {"frame_id": 1 << 63},
        {"captured_ns": -1},
        {"camera": ""},
        {"camera": "a b"},
        {"camera": "../x"},
        {"camera": "x" * 65},
        {"camera": "ok\n"},
        {"line": "line/1"},
        {"taint": "Not a reason"},
        {"wire_version": 3},
    ],
    ids=str,
)
def test_frame_out_of_bounds_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        frame_message(**change)


def test_drop_range_is_in_order() -> None:
    DropMessage(**STREAM._asdict(), first_frame_id=4, last_frame_id=4, reason="overwritten")
    with pytest.raises(ValidationError, match="before first_frame_id"):
        DropMessage(**STREAM._asdict(), first_frame_id=5, last_frame_id=4, reason="overwritten")


@pytest.mark.parametrize("interval_s", [math.nan, math.inf, -1.0, 3601.0])
def test_interval_is_bounded(interval_s: float) -> None:
    with pytest.raises(ValidationError, match="interval_s"):
        RequestMessage(command="enroll", interval_s=interval_s)


def test_messages_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        verdict_message().anomaly_score = 0.0  # type: ignore[misc]


def test_stream_names_itself() -> None:
    assert frame_message().stream == STREAM
    assert str(StreamKey("s", "l", "c", 5)) == "s/l/c@5"
