"""The chosen pictures cover the others; a defective one among them is named, not chosen."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.errors import ConfigError
from scorer import WinClip
from scorer.references.choice import Distances, choose, distances, find_outliers
from tests.scorer.pictures import part, picture


def between(points: list[float]) -> Distances:
    """Distances of points on a line."""
    values = np.array(points)
    table: Distances = np.abs(values[:, None] - values[None])
    return table


def radius(table: Distances, chosen: list[int]) -> float:
    """How badly the worst picture is covered."""
    return float(table[:, chosen].min(axis=1).max())


points = st.lists(st.floats(0, 1), min_size=2, max_size=9, unique=True)


@given(points, st.integers(1, 4))
def test_no_choice_covers_the_worst_one_twice_as_well(places: list[float], count: int) -> None:
    """What greedy k-center promises, against all choices there are."""
    table = between(places)
    if len(places) - len(find_outliers(table)) < count:
        return
    found = choose(table, count)
    left = [index for index in range(len(places)) if index not in found.outliers]
    inner = table[np.ix_(left, left)]
    ours = radius(inner, [left.index(index) for index in found.chosen])
    best = min(radius(inner, list(each)) for each in combinations(range(len(left)), count))
    assert len(set(found.chosen)) == count
    assert ours <= 2 * best + 1e-12


def test_clusters_are_all_represented() -> None:
    found = choose(between([0.0, 0.01, 0.02, 0.5, 0.51, 0.52, 0.9, 0.91, 0.92]), 3)
    assert sorted(index // 3 for index in found.chosen) == [0, 1, 2]
    assert found.outliers == []


def test_a_defective_part_is_named_and_not_chosen(mini: WinClip) -> None:
    images = [part(seed) for seed in range(8)] + [picture(3)]
    table = distances(mini, images)
    assert table.shape == (9, 9)
    assert not table.diagonal().any()
    found = choose(table, 4)
    assert found.outliers == [8]
    assert 8 not in found.chosen


def test_too_few_pictures_are_alike() -> None:
    table = between([0.0, 0.01, 0.021, 0.03, 0.039, 0.9])
    with pytest.raises(ConfigError, match=r"6 references of 5 picture.* 1 are unlike"):
        choose(table, 6)
    with pytest.raises(ConfigError, match="3 references of 2"):
        choose(between([0.0, 1.0]), 3)
