"""Which of many good pictures make the best references.

A picture is covered by others as far as its patches are near to some of theirs: the mean of
equation (4) over its patches. Pictures that no other covers are outliers, perhaps defective "good"
parts, and are not chosen. Of the rest the most central is taken first, then again and again the one
that those chosen cover worst (greedy k-center; Gonzalez, 1985).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from contract.errors import ConfigError
from contract.image import Pixels
from scorer.scoring.equations import association
from scorer.scoring.winclip import WinClip

MIN_FOR_OUTLIERS: Final = 5
MADS: Final = 5.0
MAD_TO_SIGMA: Final = 1.4826

Distances = npt.NDArray[np.float64]


class Choice(NamedTuple):
    """Indices of pictures.

    Attributes:
        chosen: K of them, the most central first.
        outliers: unlike all others; look at them.
    """

    chosen: list[int]
    outliers: list[int]


@torch.inference_mode()
def distances(
    model: WinClip, images: Sequence[Pixels], *, step: Callable[[], object] = lambda: None
) -> Distances:
    """(N, N): how badly each picture (row) is covered by each other (column), in [0, 1].

    Pictures are squashed to the model's input, however they will be tiled.

    Args:
        step: called 2 N times, as the work goes on.

    Raises:
        ImageError: no image, another dtype or shape.
    """
    patches = []
    for image in images:
        patches.append(model.backbone.features(model.backbone.preprocess([image])).patches)
        step()
    table = np.zeros((len(patches), len(patches)))
    for row, mine in enumerate(patches):
        for column, theirs in enumerate(patches):
            if row != column:
                table[row, column] = float(_covered(mine, theirs[0]))
        step()
    return table


def choose(table: Distances, count: int) -> Choice:
    """The `count` pictures that cover the others best.

    Args:
        table: from `distances`.

    Raises:
        ConfigError: fewer pictures than that, outliers left out.
    """
    outliers = find_outliers(table)
    left = [index for index in range(len(table)) if index not in outliers]
    if count > len(left):
        raise ConfigError(
            f"{count} references of {len(left)} picture(s) that are alike"
            + (f"; {len(outliers)} are unlike all others" if outliers else ""),
            "choose fewer, or give more pictures of good parts",
        )
    chosen = [left[int(table[np.ix_(left, left)].mean(axis=0).argmin())]]
    while len(chosen) < count:
        covered = table[np.ix_(left, chosen)].min(axis=1)
        covered[[left.index(index) for index in chosen]] = -1.0
        chosen.append(left[int(covered.argmax())])
    return Choice(chosen, outliers)


def find_outliers(table: Distances) -> list[int]:
    """Pictures whose nearest other is far away, compared with what is usual among them."""
    if len(table) < MIN_FOR_OUTLIERS:
        return []
    alone = np.where(np.eye(len(table), dtype=bool), np.inf, table).min(axis=1)
    return np.flatnonzero(alone > usual_limit(alone.tolist())).tolist()


def usual_limit(values: Sequence[float]) -> float:
    """What is far above most of `values`; infinite where too few or equal ones cannot tell.

    Far is five robust standard deviations above the median (median absolute deviation; Leys et
    al., 2013).
    """
    if len(values) < MIN_FOR_OUTLIERS:
        return math.inf
    median = np.median(values)
    spread = MAD_TO_SIGMA * np.median(np.abs(np.asarray(values) - median))
    return float(median + MADS * spread) if spread > 0 else math.inf


def _covered(mine: Tensor, theirs: Tensor) -> Tensor:
    return association(mine, theirs).mean()
