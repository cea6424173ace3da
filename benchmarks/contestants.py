"""Models and pictures that benchmarks share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import open_clip
import torch
from safetensors.torch import save_file

from contract.image import Pixels
from scorer import WinClip
from scorer.clip.models import MINI

OBJECT = "bottle"
SEED = 0
LIVELY = 4.0


def pictures(count: int, side_px: int) -> list[Pixels]:
    """Smooth random textures, each another one."""
    random = np.random.default_rng(SEED)
    coarse = random.integers(0, 255, (count, side_px // 8, side_px // 8, 3), dtype=np.uint8)
    return [each.repeat(8, axis=0).repeat(8, axis=1) for each in coarse]


def random_weights(name: str, path: Path) -> Path:
    """A file with random weights of architecture `name`, made once.

    They are larger than a fresh model's, which tells no two windows apart.
    """
    if not path.exists():
        torch.manual_seed(SEED)
        clip = open_clip.create_model(name)
        with torch.no_grad():
            for key, value in clip.named_parameters():
                if "in_proj_weight" in key or key.startswith("token_embedding"):
                    value *= LIVELY
        state = {key: value.contiguous() for key, value in clip.state_dict().items()}
        save_file(state, path)
    return path


def load(name: str, weights: Path | None, *, dtype: str, preset: str = "paper") -> WinClip:
    """The model `name`; the bundled one brings its weights."""
    own = None if name == MINI else weights
    return WinClip.load(name, weights=own, preset=preset, dtype=dtype)
