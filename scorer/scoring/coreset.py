"""Fewer reference features that still cover all of them: greedy k-center.

Source: Sener and Savarese, "Active Learning for Convolutional Neural Networks: A Core-Set
Approach", ICLR 2018; for memories of patch features as in PatchCore (Roth et al., CVPR 2022), with
the same random projection to 128 dimensions, which keeps distances (Johnson-Lindenstrauss).
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from scorer.scoring.memory import Bank, ReferenceMemory

PROJECTED = 128
SEED = 0


def k_center(features: Tensor, count: int) -> Tensor:
    """Indices of `count` rows such that no row is far from the nearest of them.

    Each next row is the one that is farthest from those chosen so far; twice the best radius at
    most (Gonzalez, 1985).

    Args:
        features: (R, D).
        count: at most R.

    Returns:
        int64 (count,), the first is row 0.
    """
    points = _projected(features.float())
    squares = points.square().sum(dim=1)
    chosen = torch.zeros(count, dtype=torch.int64)
    distance = torch.full((len(points),), torch.inf)
    for place in range(1, count):
        last = chosen[place - 1]
        squared = torch.addmv(squares, points, points[last], alpha=-2).add_(squares[last])
        torch.minimum(distance, squared, out=distance)
        chosen[place] = distance.argmax()
    return chosen


def thinned(memory: ReferenceMemory, fraction: float) -> ReferenceMemory:
    """`memory` with this share of its features, at least one of each kind that it has.

    Raises:
        ValueError: a fraction outside (0, 1].
    """
    if not 0 < fraction <= 1:
        raise ValueError(f"a fraction of {fraction}; it lies in (0, 1]")
    if fraction == 1:
        return memory

    def thin(features: Tensor) -> Tensor:
        if len(features) == 0:
            return features
        kept = k_center(features, max(1, round(fraction * len(features))))
        return features[kept.to(features.device)]

    banks = tuple(
        Bank(thin(bank.patches), tuple(thin(each) for each in bank.windows))
        for bank in memory.banks
    )
    return replace(memory, banks=banks)


def _projected(features: Tensor) -> Tensor:
    width = features.shape[1]
    if width <= PROJECTED:
        return features.cpu()
    generator = torch.Generator().manual_seed(SEED)
    onto = torch.randn(width, PROJECTED, generator=generator) / PROJECTED**0.5
    projected: Tensor = features.cpu() @ onto
    return projected
