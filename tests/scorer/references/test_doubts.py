"""What a person is told when a memory or its threshold looks wrong, and that nothing else is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scorer.references.choice import usual_limit
from scorer.references.doubts import (
    BY_GOOD_PICTURES,
    disagreement,
    few_pictures,
    odd_references,
    outside_stream,
    repeated,
    without_number,
)

STREAM = [0.010 + 0.001 * number for number in range(16)]


@pytest.mark.parametrize(("num", "told"), [(1, True), (4, True), (7, True), (8, False)])
def test_a_threshold_from_few_pictures(num: int, told: bool) -> None:
    said = few_pictures(num)
    assert bool(said) == told
    if told:
        assert f"rests on {num} picture(s); fewer than 8" in said[0]


def test_a_picture_that_is_there_twice() -> None:
    assert repeated(["a", "b", "c"]) == []
    assert "2 of 4 references repeat another one exactly" in repeated(["a", "b", "a", "a"])[0]


def test_references_that_good_pictures_would_reject_are_named_with_their_scores() -> None:
    alone, names = [0.01, 0.41, None, 0.30], ["a.png", "b.png", "c.png", "d.png"]
    [said] = disagreement(alone, names, limit=0.2, measure=BY_GOOD_PICTURES)
    assert "2 of 4 references" in said
    assert "b.png (0.4100), d.png (0.3000)" in said
    assert "FAIL from 0.2000 on" in said
    assert disagreement(alone, names, limit=0.5, measure=BY_GOOD_PICTURES) == []


def test_of_many_odd_references_the_first_are_named() -> None:
    [said] = disagreement([0.9] * 20, ["x"] * 20, limit=0.2, measure=BY_GOOD_PICTURES)
    assert said.count("x (0.9000)") == 8
    assert "and 12 more" in said


def test_without_good_pictures_one_that_is_far_above_the_rest_is_odd() -> None:
    alone = [0.010, 0.012, 0.011, 0.013, 0.012, 0.4]
    assert odd_references(alone, usual_limit(alone)) == [5]
    assert odd_references(alone[:4], usual_limit(alone[:4])) == [], "too few to tell"
    assert odd_references([0.1] * 9, usual_limit([0.1] * 9)) == [], "no spread to measure by"


def test_a_threshold_just_above_the_stream_is_as_it_should_be() -> None:
    assert outside_stream(0.03, STREAM) == []


def test_a_threshold_far_above_the_stream() -> None:
    [said] = outside_stream(0.3, STREAM)
    assert "0.3000 lies far above this stream" in said
    assert "16 frames of the stream score 0.0100 to 0.0250" in said
    assert "12.0-fold" in said


def test_a_threshold_below_the_stream() -> None:
    [said] = outside_stream(0.012, STREAM)
    assert "too low for this stream" in said
    assert "14 of them would FAIL" in said


def test_a_defective_part_or_two_in_the_stream_are_no_doubt() -> None:
    assert outside_stream(0.03, [*STREAM[:14], 0.2, 0.3]) == []


def test_frames_without_a_number() -> None:
    assert without_number(0, of=16) == []
    [said] = without_number(3, of=16)
    assert "3 of 16 frames of the stream get no number" in said


def test_a_stream_that_tells_nothing() -> None:
    assert "only 3 more frame(s)" in outside_stream(0.3, STREAM[:3])[0]
    assert "show 1 different picture(s)" in outside_stream(0.3, [0.01] * 16)[0]


@given(st.integers(0, 2**32 - 1))
def test_a_threshold_of_the_streams_own_distribution_is_hardly_ever_doubted(seed: int) -> None:
    """Mean + 3 standard deviations of 64 good frames, against 16 more of the same kind."""
    scores = np.random.default_rng(seed).normal(0.05, 0.005, 80)
    threshold = scores[:64].mean() + 3 * scores[:64].std(ddof=1)
    assert outside_stream(float(threshold), scores[64:].tolist()) == []


@given(st.floats(0, 1), st.lists(st.floats(0, 1), max_size=40))
def test_whatever_the_scores_there_is_at_most_one_doubt(
    threshold: float, scores: list[float]
) -> None:
    assert len(outside_stream(threshold, scores)) <= 1
