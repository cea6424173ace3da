"""Equations (1), (3) and (4) of the paper: from embeddings to scores, and means over windows.

What they are put together to, (5) and (6), stands in `scoring` and `winclip`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import torch
from torch import Tensor

MIN_TERM = 1e-6
MIN_LENGTH = 1e-12
MAX_SIMILARITIES = 1 << 24
MAX_REFERENCE_VALUES = 1 << 24


def softmax_score(embeddings: Tensor, text: Tensor, *, temperature: float) -> Tensor:
    """How anomalous embeddings are in the eyes of language, equation (1).

    Args:
        embeddings: (..., D) of length 1.
        text: (2, D) prototypes of length 1: normal, anomalous.
        temperature: tau.

    Returns:
        float32 (...), in [0, 1].
    """
    logits = embeddings.float() @ text.float().T / temperature
    return logits.softmax(dim=-1)[..., 1]


def likeness_score(embeddings: Tensor, normal: Tensor) -> Tensor:
    """How unlike the good words embeddings are: the one-class design of section 4.1.

    Args:
        embeddings: (..., D) of length 1.
        normal: (D,) the normal prototype, of length 1.

    Returns:
        float32 (...): (1 - cos) / 2, in [0, 1].
    """
    return (1.0 - embeddings.float() @ normal.float()) / 2.0


def harmonic_windows(scores: Tensor, coverage: Tensor) -> Tensor:
    """Window scores to patches by the harmonic mean of the windows that cover each, equation (3).

    Args:
        scores: float32 (N, W), in [0, 1]; smaller values than 1e-6 count as 1e-6.
        coverage: float32 (W, P) from `windows.geometry.coverage`.

    Returns:
        float32 (N, P).
    """
    return 1.0 / (1.0 / scores.clamp_min(MIN_TERM) @ coverage)


def harmonic_scales(maps: list[Tensor]) -> Tensor:
    """Harmonic mean over scales, each float32 (N, P)."""
    return len(maps) / torch.stack([1.0 / each.clamp_min(MIN_TERM) for each in maps]).sum(dim=0)


def arithmetic_windows(scores: Tensor, coverage: Tensor) -> Tensor:
    """As `harmonic_windows`, by the arithmetic mean (table 8, "w/o harmonic avg.")."""
    return scores @ coverage


def arithmetic_scales(maps: list[Tensor]) -> Tensor:
    """Arithmetic mean over scales, each float32 (N, P)."""
    return torch.stack(maps).mean(dim=0)


OverWindows = Callable[[Tensor, Tensor], Tensor]
OverScales = Callable[[list[Tensor]], Tensor]
AVERAGES: Final[Mapping[str, tuple[OverWindows, OverScales]]] = MappingProxyType(
    {
        "harmonic": (harmonic_windows, harmonic_scales),
        "arithmetic": (arithmetic_windows, arithmetic_scales),
    }
)


def association(features: Tensor, references: Tensor) -> Tensor:
    """Distance to the nearest reference feature, equation (4).

    One matrix product, cut into blocks of references so that memory stays bounded. It is done in
    float32: near 1, where good parts lie, a bfloat16 product has steps of 0.004, as coarse as the
    differences that matter.

    Args:
        features: (N, F, D) of length 1, in their own type.
        references: (R, D) of length 1, in their own type.

    Returns:
        float32 (N, F): min over r of (1 - cos) / 2, in [0, 1].
    """
    queries = unit(features.flatten(0, 1))
    block = min(
        MAX_SIMILARITIES // max(1, queries.shape[0]), MAX_REFERENCE_VALUES // queries.shape[1]
    )
    nearest = torch.full(queries.shape[:1], -1.0, device=features.device)
    for part in torch.split(references, max(1, block)):
        nearest = torch.maximum(nearest, (queries @ unit(part).T).amax(dim=-1))
    return ((1.0 - nearest) / 2.0).clamp(0.0, 1.0).reshape(features.shape[:2])


def unit(vectors: Tensor) -> Tensor:
    """Float32 vectors (..., D) of length 1, from vectors that have it in their own type.

    Eight bits round a vector of length 1 to one that is up to 0.002 longer or shorter. A part
    would differ from itself, and the longest reference be the nearest.
    """
    if vectors.dtype == torch.float32:
        return vectors
    exact = vectors.float()
    # In place, on the copy: with many references this is bound by memory.
    lengths = torch.linalg.vector_norm(exact, dim=-1, keepdim=True)
    return exact.div_(lengths.clamp_min_(MIN_LENGTH))
