"""A first FAIL threshold from a few good pictures, until the line is calibrated.

Both ways take the mean plus three standard deviations of scores of good parts, and at least their
maximum. With so few pictures that is an estimate without a guarantee.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from contract.image import Pixels
from scorer.scoring.memory import ReferenceMemory
from scorer.scoring.winclip import WinClip
from scorer.windows.tiling import Tiling

MAX_LEFT_OUT = 16
LEAVE_ONE_OUT = "mean + 3 standard deviations of the references, each against the others"
HELD_OUT = "mean + 3 standard deviations of good pictures that were not enrolled"
HALF_PATCHES = ((0, 0), (1, 0), (0, 1), (1, 1))


def held_out_threshold(
    model: WinClip,
    images: Sequence[Pixels],
    memory: ReferenceMemory,
    text: Tensor,
    tiling: Tiling | None = None,
) -> float:
    """The threshold that good pictures outside the memory ask for.

    Args:
        images: N good pictures, uint8 RGB (H, W, 3), N at least 2.
        memory: the references.
        text: (2, D) prototypes of the line.
        tiling: how the line's crops are tiled; None: the whole picture is the model's input.
    """
    scores = [
        model.score([image], text=text, memory=memory, tiling=tiling).anomaly_score
        for image in images
    ]
    return _above(torch.cat(scores))


def leave_one_out_threshold(
    model: WinClip,
    images: Sequence[Pixels],
    memory: ReferenceMemory,
    text: Tensor,
    tiling: Tiling | None = None,
) -> float:
    """The threshold that the references themselves ask for.

    Each is scored against the others (a single one against itself), as it is and moved by half a
    patch, since a part on a belt never stops twice at the same phase of the patch grid. Of many
    references 16, evenly chosen, are enough.

    Args:
        images: the K references, uint8 RGB (H, W, 3).
        memory: their memory.
        text: (2, D) prototypes of the line.
        tiling: how the line's crops are tiled; None: the whole picture is the model's input.
    """
    half_px = model.backbone.patch_px // 2
    scores = []
    for index in range(0, len(images), math.ceil(len(images) / MAX_LEFT_OUT)):
        pixels = model.backbone.preprocess([images[index]], tiling.size_px if tiling else None)[0]
        others = memory.without(index) if memory.num_references > 1 else memory
        shifted = torch.stack(
            [_shift(pixels, right * half_px, down * half_px) for right, down in HALF_PATCHES]
        )
        if memory.num_references == 1:
            shifted = shifted[1:]
        result = model.score_pixels(shifted, text=text, memory=others, tiling=tiling)
        scores.append(result.anomaly_score)
    return _above(torch.cat(scores))


def _above(scores: Tensor) -> float:
    return float(torch.maximum(scores.mean() + 3 * scores.std(), scores.max()).clamp(0, 1))


def _shift(image: Tensor, right_px: int, down_px: int) -> Tensor:
    """(3, H, W) moved; what enters is the mirrored edge."""
    height, width = image.shape[1:]
    padded = F.pad(image.float(), (right_px, 0, down_px, 0), mode="reflect")
    return padded[:, :height, :width].to(image.dtype)
