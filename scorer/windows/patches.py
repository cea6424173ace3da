"""Patch features of another network than CLIP, for the comparison with references.

Newer few-shot methods gain by better patch features (AnomalyDINO, WACV 2025: DINOv2). They have no
words; those stay CLIP's. The tiles are CLIP's too, resized so that both grids of patches agree.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

import timm
import torch
import torch.nn.functional as F
from timm.data.config import resolve_model_data_config
from timm.models.vision_transformer import VisionTransformer, checkpoint_filter_fn
from torch import Tensor

from contract.errors import ModelError
from scorer.clip.models import UNREADABLE, file_sha256, read_weights

Channels = tuple[float, ...]


class PatchEncoder:
    """A vision transformer of timm with weights from a local file, on a grid of CLIP's shape.

    Args:
        name: a timm model name, e.g. vit_small_patch14_dinov2.
        weights: `.safetensors` or a weights-only checkpoint, timm's or DINOv2's own.
        grid: patches down and across.
        clip_mean, clip_std: how the pixels that it will get are normalised.

    Raises:
        ModelError: unknown name, no plain vision transformer, or weights that do not fit.
    """

    def __init__(
        self,
        name: str,
        weights: Path,
        *,
        grid: tuple[int, int],
        clip_mean: Channels,
        clip_std: Channels,
    ) -> None:
        self.name = name
        self.weights_sha256 = file_sha256(weights)
        self._vit = _filled(_build(name, grid), read_weights(weights), name=name, source=weights)
        settings = resolve_model_data_config(self._vit)  # type: ignore[no-untyped-call]
        gain = torch.tensor(clip_std) / torch.tensor(settings["std"])
        shift = (torch.tensor(clip_mean) - torch.tensor(settings["mean"])) / torch.tensor(
            settings["std"]
        )
        self._gain, self._shift = gain.view(3, 1, 1), shift.view(3, 1, 1)
        self._size_px = self._vit.patch_embed.img_size

    @property
    def products_per_tile(self) -> int:
        """Multiplications that a tile costs in the linear layers."""
        tokens = self._vit.patch_embed.num_patches + self._vit.num_prefix_tokens
        weights = sum(each.numel() for each in self._vit.blocks.parameters() if each.dim() == 2)
        return int(tokens * weights)

    def to(self, like: Tensor) -> PatchEncoder:
        """This encoder on the device and in the dtype of `like`."""
        self._vit.to(like)
        self._gain, self._shift = self._gain.to(like), self._shift.to(like)
        return self

    @torch.inference_mode()
    def __call__(self, pixels: Tensor) -> Tensor:
        """Features of CLIP-normalised tiles (N, 3, H, W): (N, P, width) of length 1."""
        resized = F.interpolate(
            pixels.float(), self._size_px, mode="bicubic", antialias=True, align_corners=False
        )
        tokens = self._vit.forward_features(resized.to(pixels) * self._gain + self._shift)
        patches = tokens[:, self._vit.num_prefix_tokens :]
        return F.normalize(patches.float(), dim=-1).to(pixels)


def require_known(name: str) -> None:
    """Refuse a name that timm does not know, without weights.

    Raises:
        ModelError: naming some that it knows.
    """
    if not timm.is_model(name):
        near = ", ".join(timm.list_models("*dinov2*")[:4])
        raise ModelError(f"unknown association model {name!r}", f"a timm name, such as {near}")


def _build(name: str, grid: tuple[int, int]) -> VisionTransformer:
    require_known(name)
    with torch.device("meta"):
        plan = timm.create_model(name, num_classes=0)
    if not isinstance(plan, VisionTransformer):
        raise ModelError(f"{name} is no plain vision transformer", "a timm name such as vit_...")
    size_px = tuple(
        count * side for count, side in zip(grid, plan.patch_embed.patch_size, strict=True)
    )
    vit = timm.create_model(name, num_classes=0, img_size=size_px)
    return cast(VisionTransformer, vit.eval().requires_grad_(False))


def _filled(
    vit: VisionTransformer, state: dict[str, Tensor], *, name: str, source: Path
) -> VisionTransformer:
    try:
        fitted = checkpoint_filter_fn(state, vit)
        kept = {key: value for key, value in fitted.items() if not key.startswith("head.")}
        vit.load_state_dict(kept)
    except UNREADABLE as error:
        raise ModelError(
            f"{source} does not fit {name}: {str(error).splitlines()[0]}",
            "weights of that very model",
        ) from None
    return vit
