"""A plain WinCLIP forward, equations (1) to (6), to measure the model by."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from open_clip.model import CLIP
from torch import Tensor

from tools.mini.model import GRID, SIDE, blocks, patch_tokens, window_index, windows
from tools.mini.vocabulary import ANOMALOUS_STATES, NORMAL_STATES, TEMPLATES, Tokens

TEMPERATURE = 0.07
LEAST = 1e-6


@dataclass(frozen=True)
class Features:
    """Unit vectors of N images.

    Attributes:
        image: [N, 256].
        two, three: windows of 2 x 2 and 3 x 3 patches, [N, 196, 256] and [N, 169, 256].
        patch: [N, 225, 192], after `ln_post`, not projected.
    """

    image: Tensor
    two: Tensor
    three: Tensor
    patch: Tensor

    def __getitem__(self, picks: list[int]) -> "Features":
        return Features(self.image[picks], self.two[picks], self.three[picks], self.patch[picks])


@torch.inference_mode()
def encode(model: CLIP, images: Tensor, batch: int = 8) -> Features:
    """Features of CLIP-normalised images [N, 3, 240, 240]."""
    parts = [_encode(model, part) for part in torch.split(images, batch)]
    columns = zip(*parts, strict=True)
    return Features(*(F.normalize(torch.cat(column), dim=-1) for column in columns))


def _encode(model: CLIP, images: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    tokens = patch_tokens(model, images)
    full = blocks(model, tokens)
    two, three = (windows(model, tokens, window_index(size)) for size in (2, 3))
    return full[:, 0] @ model.visual.proj, two, three, full[:, 1:]


@torch.inference_mode()
def prototypes(model: CLIP, tokens: Tokens, name: str) -> Tensor:
    """Unit vectors [2, 256] of normal and anomalous `name`, mean of all prompts."""
    means = []
    for states in (NORMAL_STATES, ANOMALOUS_STATES):
        texts = [template.format(state.format(name)) for template in TEMPLATES for state in states]
        text = F.normalize(model.encode_text(tokens(texts)), dim=-1)
        means.append(F.normalize(text.mean(0), dim=-1))
    return torch.stack(means)


def to_patches(scores: Tensor, size: int) -> Tensor:
    """Window scores [N, W] to patch scores [N, 225], harmonic mean of all that cover a patch."""
    index = window_index(size)
    cover = torch.zeros(len(index), GRID * GRID).scatter_(1, index, 1.0)
    return cover.sum(0) / ((1 / scores.clamp_min(LEAST)) @ cover)


def association(query: Features, reference: Features) -> dict[str, Tensor]:
    """Maps [N, 225] of equations (4) and (5): each scale and the mean of the three."""
    two = to_patches(_nearest(query.two, reference.two), 2)
    three = to_patches(_nearest(query.three, reference.three), 3)
    patch = _nearest(query.patch, reference.patch)
    return {"two": two, "three": three, "patch": patch, "mean": (two + three + patch) / 3}


def _nearest(query: Tensor, reference: Tensor) -> Tensor:
    """Half of the smallest cosine distance to any reference place, [N, P]."""
    return (1 - (query @ reference.flatten(0, 1).T).amax(-1)) / 2


def zero_shot(query: Features, text: Tensor) -> tuple[Tensor, Tensor]:
    """Image scores [N] of equation (1) and maps [N, 225] of equation (3)."""
    image, two, three = (
        torch.softmax(part @ text.T / TEMPERATURE, dim=-1)[..., 1]
        for part in (query.image, query.two, query.three)
    )
    inverse = 1 / image[:, None].clamp_min(LEAST)
    inverse = inverse + 1 / to_patches(two, 2).clamp_min(LEAST)
    inverse = inverse + 1 / to_patches(three, 3).clamp_min(LEAST)
    return image, 3 / inverse


def to_pixels(maps: Tensor) -> Tensor:
    """Maps [N, 225] to [N, 240, 240], bilinear."""
    grid = maps.view(-1, 1, GRID, GRID)
    return F.interpolate(grid, (SIDE, SIDE), mode="bilinear", align_corners=False)[:, 0]
