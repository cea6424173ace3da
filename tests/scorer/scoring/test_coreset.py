"""Fewer references: greedy k-center, against its definition written as loops."""

from __future__ import annotations

import math

import pytest
import torch

from scorer import ReferenceMemory, WinClip
from scorer.scoring.coreset import k_center, thinned
from tests.scorer.pictures import part, picture


def naive(points: list[list[float]], count: int) -> list[int]:
    """Each next point is the one farthest from those chosen."""
    chosen = [0]
    while len(chosen) < count:
        far = [min(math.dist(point, points[each]) for each in chosen) for point in points]
        chosen.append(far.index(max(far)))
    return chosen


def test_the_chosen_are_those_of_the_definition() -> None:
    points = torch.randn(40, 6, generator=torch.Generator().manual_seed(4))
    assert k_center(points, 12).tolist() == naive(points.tolist(), 12)


def test_clusters_are_all_represented() -> None:
    """In many dimensions, where points are projected first."""
    generator = torch.Generator().manual_seed(1)
    centres = 20 * torch.randn(7, 512, generator=generator)
    points = centres.repeat(30, 1) + torch.randn(210, 512, generator=generator)
    assert sorted((k_center(points, 7) % 7).tolist()) == list(range(7))


def test_a_thinned_memory_is_smaller_and_never_calls_a_picture_nearer(
    mini: WinClip, memory: ReferenceMemory
) -> None:
    thin = thinned(memory, 0.1)
    assert len(thin.banks[0].patches) == round(0.1 * len(memory.banks[0].patches))
    images = [part(1), part(2), picture(3)]
    whole = mini.score(images, memory=memory).anomaly_map
    less = mini.score(images, memory=thin).anomaly_map
    assert (less >= whole - 1e-6).all()
    assert thinned(memory, 1.0) is memory


@pytest.mark.parametrize("fraction", [0.0, -0.1, 1.5, math.nan])
def test_a_fraction_that_is_none(memory: ReferenceMemory, fraction: float) -> None:
    with pytest.raises(ValueError, match="lies in"):
        thinned(memory, fraction)
