"""A first FAIL threshold from a few good pictures, until the line is calibrated.

Both ways take the mean plus three standard deviations of scores of good parts, and at least their
maximum. With so few pictures that is an estimate without a guarantee.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from scorer.memory import ReferenceMemory
from scorer.winclip import WinClip

LEAVE_ONE_OUT = "mean + 3 standard deviations of the references, each against the others"
HELD_OUT = "mean + 3 standard deviations of good pictures that were not enrolled"
HALF_PATCHES = ((0, 0), (1, 0), (0, 1), (1, 1))


def held_out_threshold(
    model: WinClip, pixels: Tensor, memory: ReferenceMemory, text: Tensor
) -> float:
    """The threshold that good pictures outside the memory ask for.

    Args:
        pixels: (N, 3, H, W) preprocessed good pictures, N at least 2.
        memory: the references.
        text: (2, D) prototypes of the line.
    """
    return _above(model.score_pixels(pixels, text=text, memory=memory).anomaly_score)


def leave_one_out_threshold(
    model: WinClip, pixels: Tensor, memory: ReferenceMemory, text: Tensor
) -> float:
    """The threshold that the references themselves ask for.

    Each is scored against the others (a single one against itself), as it is and moved by half a
    patch, since a part on a belt never stops twice at the same phase of the patch grid.

    Args:
        pixels: (K, 3, H, W) preprocessed references.
        memory: their memory.
        text: (2, D) prototypes of the line.
    """
    half_px = model.patch_px // 2
    scores = []
    for index in range(len(pixels)):
        others = memory.without(index) if memory.num_references > 1 else memory
        shifted = torch.stack(
            [_shift(pixels[index], right * half_px, down * half_px) for right, down in HALF_PATCHES]
        )
        if memory.num_references == 1:
            shifted = shifted[1:]
        scores.append(model.score_pixels(shifted, text=text, memory=others).anomaly_score)
    return _above(torch.cat(scores))


def _above(scores: Tensor) -> float:
    return float(torch.maximum(scores.mean() + 3 * scores.std(), scores.max()).clamp(0, 1))


def _shift(image: Tensor, right_px: int, down_px: int) -> Tensor:
    """(3, H, W) moved; what enters is the mirrored edge."""
    height, width = image.shape[1:]
    padded = F.pad(image.float(), (right_px, 0, down_px, 0), mode="reflect")
    return padded[:, :height, :width].to(image.dtype)
