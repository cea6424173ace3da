"""Geometry of windows against loops."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from scorer.windows.geometry import coverage, window_patches

grids = st.tuples(st.integers(1, 7), st.integers(1, 7))


@given(grids, st.integers(1, 7))
def test_windows_hold_their_patches(grid: tuple[int, int], scale: int) -> None:
    rows, columns = grid
    if scale > min(grid):
        with pytest.raises(ValueError, match="does not fit a grid"):
            window_patches(grid, scale)
        return
    expected = [
        [
            row * columns + column
            for row in range(top, top + scale)
            for column in range(left, left + scale)
        ]
        for top in range(rows - scale + 1)
        for left in range(columns - scale + 1)
    ]
    assert window_patches(grid, scale).tolist() == expected


@given(grids, st.integers(1, 3))
def test_coverage_is_the_mean_over_the_windows_of_a_patch(
    grid: tuple[int, int], scale: int
) -> None:
    if scale > min(grid):
        return
    weights = coverage(grid, scale)
    windows = window_patches(grid, scale).tolist()
    for patch in range(grid[0] * grid[1]):
        holding = [number for number, patches in enumerate(windows) if patch in patches]
        for number in range(len(windows)):
            expected = 1 / len(holding) if number in holding else 0.0
            assert weights[number, patch].item() == pytest.approx(expected)


def test_a_zero_window_is_refused() -> None:
    with pytest.raises(ValueError, match="window of 0 patches"):
        window_patches((3, 3), 0)


def test_the_papers_grid() -> None:
    assert window_patches((15, 15), 2).shape == (196, 4)
    assert window_patches((15, 15), 3).shape == (169, 9)
    torch.testing.assert_close(coverage((15, 15), 3).sum(dim=0), torch.ones(225))
