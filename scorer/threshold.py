"""A first threshold from the reference images alone, until the line is calibrated."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from scorer.memory import ReferenceMemory
from scorer.winclip import WinClip

METHOD = "leave-one-out, mean + 3 standard deviations"
SHIFTS_PX = ((0, 0), (8, 0), (0, 8), (8, 8))


def provisional_threshold(
    model: WinClip, pixels: Tensor, memory: ReferenceMemory, text: Tensor
) -> float:
    """A FAIL threshold above what the references themselves score.

    Each reference is scored against the others (a single one against itself), as it is and moved
    by half a patch, since a part on a belt never stops twice at the same phase of the patch grid.
    The threshold is the mean plus three standard deviations of these scores, and at least their
    maximum. With so few images it is an estimate without a guarantee.

    Args:
        pixels: (K, 3, H, W) preprocessed references.
        memory: their memory.
        text: (2, D) prototypes of the line.
    """
    scores = []
    for index in range(len(pixels)):
        others = memory.without(index) if memory.num_references > 1 else memory
        shifted = torch.stack([_shift(pixels[index], *shift) for shift in SHIFTS_PX])
        if memory.num_references == 1:
            shifted = shifted[1:]
        scores.append(model.score_pixels(shifted, text=text, memory=others).anomaly_score)
    every = torch.cat(scores)
    return float(torch.maximum(every.mean() + 3 * every.std(), every.max()).clamp(0, 1))


def _shift(image: Tensor, right_px: int, down_px: int) -> Tensor:
    """(3, H, W) moved; what enters is the mirrored edge."""
    height, width = image.shape[1:]
    padded = F.pad(image.float(), (right_px, 0, down_px, 0), mode="reflect")
    return padded[:, :height, :width].to(image.dtype)
