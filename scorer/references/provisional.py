"""A first FAIL threshold from a few good pictures, until the line is calibrated.

Both ways take the mean plus three standard deviations of scores of good parts, and at least their
maximum. With so few pictures that is an estimate without a guarantee.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

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

Step = Callable[[], object]


def nothing() -> None:
    """A step that nobody watches."""


class Provisional(NamedTuple):
    """A first threshold and what it rests on.

    Attributes:
        fail_threshold: FAIL at or above.
        num_pictures: that it comes from.
        method: how.
        alone: of each reference its score against the others; None where it was not looked at.
    """

    fail_threshold: float
    num_pictures: int
    method: str
    alone: tuple[float | None, ...]


def held_out_threshold(
    model: WinClip,
    memory: ReferenceMemory,
    text: Tensor,
    tiling: Tiling | None = None,
    *,
    normal: Sequence[Pixels],
    references: Sequence[Pixels],
    step: Step = nothing,
) -> Provisional:
    """The threshold that good pictures outside the memory ask for.

    Args:
        memory: the references.
        text: (2, D) prototypes of the line.
        tiling: how the line's crops are tiled; None: the whole picture is the model's input.
        normal: N good pictures, uint8 RGB (H, W, 3), N at least 2.
        references: the K that the memory holds; of a memory that is thinned out none, because
            they can no longer be left out.
        step: called once for each picture that was scored.
    """
    scores = []
    for image in normal:
        scores.append(model.score([image], text=text, memory=memory, tiling=tiling).anomaly_score)
        step()
    alone: dict[int, Tensor] = {}
    if memory.num_references > 1:
        alone = leave_one_out(model, references, memory, text, tiling, step=step, moved=False)
    return Provisional(
        _above(torch.cat(scores)),
        len(normal),
        HELD_OUT,
        _as_they_are(alone, memory.num_references),
    )


def leave_one_out_threshold(
    model: WinClip,
    images: Sequence[Pixels],
    memory: ReferenceMemory,
    text: Tensor,
    tiling: Tiling | None = None,
    *,
    step: Step = nothing,
) -> Provisional:
    """The threshold that the references themselves ask for.

    Each is scored against the others (a single one against itself), as it is and moved by half a
    patch, since a part on a belt never stops twice at the same phase of the patch grid.

    Args:
        images: the K references, uint8 RGB (H, W, 3).
        memory: their memory.
        text: (2, D) prototypes of the line.
        tiling: how the line's crops are tiled; None: the whole picture is the model's input.
        step: called once for each reference that was scored.
    """
    alone = leave_one_out(model, images, memory, text, tiling, step=step)
    whole = alone
    if memory.num_references == 1:
        # Against itself a picture that did not move scores nothing.
        alone, whole = {index: scores[1:] for index, scores in alone.items()}, {}
    return Provisional(
        _above(torch.cat(list(alone.values()))),
        len(alone),
        LEAVE_ONE_OUT,
        _as_they_are(whole, len(images)),
    )


def leave_one_out(
    model: WinClip,
    images: Sequence[Pixels],
    memory: ReferenceMemory,
    text: Tensor,
    tiling: Tiling | None = None,
    *,
    step: Step = nothing,
    moved: bool = True,
) -> dict[int, Tensor]:
    """Scores of references against the others, by index; a single one against itself.

    Of many references 16, evenly chosen, are enough.

    Args:
        moved: (4,) of each, as it is and moved by half a patch; else (1,), as it is.
    """
    half_px = model.backbone.patch_px // 2
    found = {}
    for index in range(0, len(images), math.ceil(len(images) / MAX_LEFT_OUT) or 1):
        pixels = model.backbone.preprocess([images[index]], tiling.size_px if tiling else None)[0]
        others = memory.without(index) if memory.num_references > 1 else memory
        ways = [
            _shift(pixels, right * half_px, down * half_px)
            for right, down in (HALF_PATCHES if moved else HALF_PATCHES[:1])
        ]
        result = model.score_pixels(torch.stack(ways), text=text, memory=others, tiling=tiling)
        found[index] = result.anomaly_score
        step()
    return found


def num_left_out(num_references: int) -> int:
    """How many references `leave_one_out` scores."""
    return len(range(0, num_references, math.ceil(num_references / MAX_LEFT_OUT) or 1))


def _as_they_are(found: Mapping[int, Tensor], num: int) -> tuple[float | None, ...]:
    """Of `num` references the scores of those that were looked at, as they are."""
    return tuple(
        float(found[index][0].clamp(0, 1)) if index in found else None for index in range(num)
    )


def _above(scores: Tensor) -> float:
    return float(torch.maximum(scores.mean() + 3 * scores.std(), scores.max()).clamp(0, 1))


def _shift(image: Tensor, right_px: int, down_px: int) -> Tensor:
    """(3, H, W) moved; what enters is the mirrored edge."""
    height, width = image.shape[1:]
    padded = F.pad(image.float(), (right_px, 0, down_px, 0), mode="reflect")
    return padded[:, :height, :width].to(image.dtype)
