"""Tiny CLIP models of different make, with random weights."""

from __future__ import annotations

from typing import Any

import open_clip
import torch

from scorer.clip.models import LoadedClip

TINY: dict[str, Any] = {
    "embed_dim": 24,
    "vision_cfg": {
        "image_size": 64,
        "patch_size": 16,
        "width": 48,
        "head_width": 16,
        "layers": 3,
    },
    "text_cfg": {
        "context_length": 77,
        "vocab_size": 49408,
        "width": 32,
        "heads": 2,
        "layers": 2,
    },
}


def tiny_clip(vision: dict[str, Any] | None = None, **changes: Any) -> Any:
    """An open_clip CLIP with a 4 x 4 grid of patches; `vision` changes its image tower."""
    config = {**TINY, "vision_cfg": TINY["vision_cfg"] | (vision or {}), **changes}
    torch.manual_seed(7)
    clip = open_clip.CLIP(**config).eval().requires_grad_(False)
    for name, value in clip.named_parameters():
        if "in_proj_weight" in name or name.startswith("token_embedding"):
            value *= 4.0
        elif "bias" in name or "ls_" in name:
            value.normal_(0.0, 0.2)
    return clip


def tiny_loaded(vision: dict[str, Any] | None = None) -> LoadedClip:
    """As if it had been loaded from a file."""
    return LoadedClip(
        tiny_clip(vision),
        open_clip.SimpleTokenizer(),
        "tiny",
        "0" * 64,
        open_clip.OPENAI_DATASET_MEAN,
        open_clip.OPENAI_DATASET_STD,
    )
