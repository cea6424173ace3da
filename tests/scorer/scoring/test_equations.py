"""Equations (1), (3) and (4) on numbers that can be checked by hand, and against loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from torch import Tensor

import scorer.scoring.equations
from scorer.scoring.equations import (
    MIN_TERM,
    association,
    harmonic_scales,
    harmonic_windows,
    softmax_score,
)
from scorer.windows.geometry import coverage
from tests.scorer import oracle

zero_to_one = st.floats(0, 1, width=32)


def unit_rows(values: list[list[float]]) -> Tensor:
    return torch.nn.functional.normalize(torch.tensor(values), dim=-1)


def test_softmax_score_by_hand() -> None:
    text = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    embeddings = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    scores = softmax_score(embeddings, text, temperature=1.0)
    e = math.e
    assert scores.tolist() == pytest.approx([1 / (1 + e), e / (1 + e), 1 / (1 + 1 / e)])
    assert scores.dtype == torch.float32


def test_softmax_score_stays_finite_at_a_low_temperature() -> None:
    text = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    scores = softmax_score(torch.tensor([[1.0, 0.0], [-1.0, 0.0]]), text, temperature=1e-3)
    assert scores.tolist() == [0.0, 1.0]


def test_harmonic_windows_by_hand() -> None:
    """Two windows of 2 x 2 on a grid of 2 x 3: the middle column lies in both."""
    scores = torch.tensor([[0.5, 0.25]])
    patches = harmonic_windows(scores, coverage((2, 3), 2))
    assert patches[0].tolist() == pytest.approx([0.5, 1 / 3, 0.25] * 2)


def test_harmonic_scales_by_hand() -> None:
    maps = [torch.tensor([[0.5]]), torch.tensor([[0.25]]), torch.tensor([[1.0]])]
    assert harmonic_scales(maps).item() == pytest.approx(3 / (2 + 4 + 1))


def test_association_by_hand() -> None:
    features = torch.tensor([[[1.0, 0.0], [0.0, -1.0]]])
    references = unit_rows([[0.0, 1.0], [-1.0, 0.0], [1.0, 1.0]])
    expected = [(1 - math.sqrt(0.5)) / 2, 0.5]
    assert association(features, references)[0].tolist() == pytest.approx(expected)


def test_terms_are_clamped() -> None:
    """Zeros and rounding below zero count as 1e-6 and do not turn the mean over."""
    weights = coverage((1, 1), 1)
    for term in (0.0, -1e-7, 1e-9):
        assert harmonic_windows(torch.tensor([[term]]), weights).item() == pytest.approx(MIN_TERM)
        assert harmonic_scales([torch.tensor([[term]])]).item() == pytest.approx(MIN_TERM)
    assert MIN_TERM == 1e-6


def test_association_never_leaves_0_to_1() -> None:
    """A vector against itself: the cosine may round to above 1."""
    torch.manual_seed(0)
    vectors = torch.nn.functional.normalize(torch.randn(1, 500, 7), dim=-1) * (1 + 1e-6)
    assert association(vectors, vectors[0]).tolist() == [[0.0] * 500]
    assert association(vectors[:, :1], -vectors[0, :1]).item() == 1.0


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_association_of_rounded_vectors_against_loops(dtype: torch.dtype) -> None:
    """Half precision rounds lengths away from 1; the cosine does not mind."""
    torch.manual_seed(2)
    vectors = torch.nn.functional.normalize(torch.randn(9, 40), dim=-1).to(dtype)
    features, references = vectors[None, :6], vectors[3:]
    assert (vectors.double().norm(dim=-1) - 1).abs().max() > 1e-5

    def cosine(one: Tensor, other: Tensor) -> float:
        dot = math.fsum(a * b for a, b in zip(one.tolist(), other.tolist(), strict=True))
        return dot / math.hypot(*one.tolist()) / math.hypot(*other.tolist())

    expected = [(1 - max(cosine(one, each) for each in references)) / 2 for one in features[0]]
    found = association(features, references)[0]
    assert found.tolist() == pytest.approx(expected, abs=1e-6)
    assert (found[3:] < 1e-6).all(), "those that are references themselves"


@given(npst.arrays(np.float32, (2, 12), elements=zero_to_one))
def test_harmonic_windows_against_loops(
    scores: np.ndarray[tuple[int, int], np.dtype[np.float32]],
) -> None:
    grid, scale = (4, 5), 2
    places = [(top, left) for top in range(3) for left in range(4)]
    patches = harmonic_windows(torch.from_numpy(scores), coverage(grid, scale))
    for row, found in zip(scores, patches, strict=True):
        by_place = {place: float(value) for place, value in zip(places, row, strict=True)}
        expected = oracle.spread(by_place, scale, grid).ravel()
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize("scale", [1, 2, 3])
def test_means_of_the_largest_score_stay_a_score(scale: int) -> None:
    weights = coverage((15, 15), scale)
    patches = harmonic_windows(torch.ones(1, weights.shape[0]), weights)
    assert patches.max().item() <= 1.0


@pytest.mark.parametrize("most", [1, 7, 64, 10_000])
def test_association_in_blocks_equals_association_at_once(
    monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    torch.manual_seed(1)
    features = torch.nn.functional.normalize(torch.randn(2, 5, 8), dim=-1)
    references = torch.nn.functional.normalize(torch.randn(33, 8), dim=-1)
    at_once = association(features, references)
    monkeypatch.setattr(scorer.scoring.equations, "MAX_SIMILARITIES", most)
    torch.testing.assert_close(association(features, references), at_once, rtol=0, atol=1e-6)


def test_nan_is_not_hidden() -> None:
    """A broken feature must not look like a perfect match."""
    references = torch.eye(3)
    broken = torch.full((1, 2, 3), math.nan)
    assert association(broken, references).isnan().all()
    assert association(torch.eye(3)[None], references * math.nan).isnan().all()
