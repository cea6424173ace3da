"""How a line is laid before a model: its words and its tiles."""

from __future__ import annotations

import torch
from torch import Tensor

from contract.config import Line
from contract.errors import ConfigError, ImageError
from contract.image import MASK_LEVEL, read_image
from scorer.scoring.winclip import WinClip
from scorer.windows.tiling import Tiling


def line_text(model: WinClip, line: Line) -> Tensor:
    """Text prototypes (2, D) of `line`."""
    return model.text_prototypes(
        line.object_name,
        normal_states=line.normal_states,
        anomalous_states=line.anomalous_states,
    )


def line_tiling(model: WinClip, line: Line) -> Tiling:
    """How the inspected crop of `line` is laid before the model.

    Raises:
        ConfigError: sizes that do not fit the model, a mask that cannot be read or shows nothing.
    """
    mask = None
    if line.mask is not None:
        try:
            mask = torch.from_numpy(read_image(line.mask).max(axis=2) > MASK_LEVEL)
        except ImageError as error:
            raise ConfigError(f"line {line.name}: mask: {error}") from None
    try:
        return model.backbone.tiling(line.inspection_px, overlap_px=line.tile_overlap_px, mask=mask)
    except ConfigError as error:
        raise ConfigError(f"line {line.name}: {error}") from None
