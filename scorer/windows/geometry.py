"""Geometry of sliding windows over the grid of patches (section 4.2). No model in here."""

from __future__ import annotations

import torch
from torch import Tensor


def window_patches(grid: tuple[int, int], scale: int) -> Tensor:
    """Which patches each window holds.

    Args:
        grid: patches down and across.
        scale: side of the window in patches; windows slide by one patch.

    Returns:
        int64 (W, scale * scale): indices of patches, row by row; W windows, row by row.

    Raises:
        ValueError: the window does not fit the grid.

    >>> window_patches((2, 3), 2).tolist()
    [[0, 1, 3, 4], [1, 2, 4, 5]]
    """
    rows, columns = grid
    if not 1 <= scale <= min(grid):
        raise ValueError(f"window of {scale} patches does not fit a grid of {rows} x {columns}")
    index = torch.arange(rows * columns).reshape(rows, columns)
    return index.unfold(0, scale, 1).unfold(1, scale, 1).reshape(-1, scale * scale)


def coverage(grid: tuple[int, int], scale: int) -> Tensor:
    """The weight of each window in the mean over the windows that cover a patch.

    Returns:
        float32 (W, P): 1 / (number of windows that cover patch p) where window w covers it,
        else 0; columns sum to 1.
    """
    patches = window_patches(grid, scale)
    covers = torch.zeros(patches.shape[0], grid[0] * grid[1])
    covers.scatter_(1, patches, 1.0)
    return covers / covers.sum(dim=0, keepdim=True)
