"""Pictures go with what a person may want to look at."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from contract.messages import Outcome
from scorer.serving.picture import encode_jpeg, wants_picture
from tests.scorer.pictures import part


@pytest.mark.parametrize("outcome", [Outcome.FAIL, Outcome.REVIEW])
def test_doubtful_parts_always_carry_one(outcome: Outcome) -> None:
    assert all(wants_picture(outcome, each, pass_sample_fraction=0.0) for each in range(100))


@pytest.mark.parametrize("outcome", [Outcome.INVALID, Outcome.LATE, Outcome.UNSCORED])
def test_unjudged_frames_carry_none(outcome: Outcome) -> None:
    assert not any(wants_picture(outcome, each, pass_sample_fraction=1.0) for each in range(100))


@given(st.floats(0, 1), st.integers(0, 10_000))
def test_an_even_share_of_good_parts(share: float, first: int) -> None:
    ids = range(first, first + 200)
    taken = sum(wants_picture(Outcome.PASS, each, pass_sample_fraction=share) for each in ids)
    assert abs(taken - 200 * share) <= 1


def test_jpeg() -> None:
    pixels = part(1, 64)
    with Image.open(BytesIO(encode_jpeg(pixels))) as image:
        assert image.format == "JPEG"
        assert np.abs(np.asarray(image).astype(int) - pixels).mean() < 4
