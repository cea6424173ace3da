"""CLIP's image tower over a whole image and all of its windows in one packed pass.

Equation (2) runs the tower on the class token and the patches of one window. Here the tokens of
the image and of every window of every scale stand in one packed batch: each linear layer and norm
runs once over all of them, and attention stays within a window. Three savings are exact:

- `ln_pre` and the first block's query, key and value are computed once per patch and gathered,
  because before the first attention a token does not depend on its window;
- in the last block a window needs the query and the MLP of its class token only;
- both scales and the image share every matrix product.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from contract.errors import ModelError
from scorer.windows import window_patches

MAX_TOKENS = 12_000


class Features(NamedTuple):
    """What the tower sees in N images; every vector has length 1.

    Attributes:
        image: (N, D) class token of the whole image, projected.
        patches: (N, P, width) patch tokens of the whole image after `ln_post`, not projected.
        windows: per scale (N, W, D) class token of each window, projected.
    """

    image: Tensor
    patches: Tensor
    windows: tuple[Tensor, ...]

    def take(self, images: list[int]) -> Features:
        """The features of some of the images."""
        return Features(
            self.image[images],
            self.patches[images],
            tuple(scale[images] for scale in self.windows),
        )


class ImageTower(nn.Module):
    """The packed pass over an open_clip vision transformer.

    Args:
        visual: the `visual` tower of an open_clip CLIP model; shared, not copied.
        scales: window sides in patches.

    Raises:
        ModelError: a tower that is built differently from the paper's (no class token pooling,
            attention pooling, timm, custom blocks).
    """

    def __init__(self, visual: Any, scales: tuple[int, ...]) -> None:
        super().__init__()
        _refuse_unsupported(visual)
        self.visual = visual
        self.grid: tuple[int, int] = tuple(visual.grid_size)
        self.image_px: tuple[int, int] = tuple(visual.image_size)
        self.width = int(visual.class_embedding.shape[0])
        self.embed_dim = int(visual.proj.shape[1])
        self.groups = 1 + len(scales)
        everything = torch.arange(self.grid[0] * self.grid[1]).unsqueeze(0)
        for number, patches in enumerate(
            [everything, *(window_patches(self.grid, scale) for scale in scales)]
        ):
            tokens = torch.cat([torch.zeros(len(patches), 1, dtype=torch.int64), patches + 1], 1)
            self.register_buffer(f"group{number}", tokens, persistent=False)

    @property
    def tokens_per_image(self) -> int:
        """Tokens that one image costs: image, and windows of every scale."""
        return sum(self._tokens(number).numel() for number in range(self.groups))

    def _tokens(self, number: int) -> Tensor:
        tokens: Tensor = self.get_buffer(f"group{number}")
        return tokens

    def forward(self, pixels: Tensor) -> Features:
        """Features of preprocessed images.

        Args:
            pixels: (N, 3, H, W) at the model's input size, normalised, in the tower's dtype.
        """
        size = max(1, MAX_TOKENS // self.tokens_per_image)
        parts = [self._forward(part) for part in torch.split(pixels, size)]
        if len(parts) == 1:
            return parts[0]
        return Features(
            torch.cat([part.image for part in parts]),
            torch.cat([part.patches for part in parts]),
            tuple(
                torch.cat(scale) for scale in zip(*(part.windows for part in parts), strict=True)
            ),
        )

    def _forward(self, pixels: Tensor) -> Features:
        visual = self.visual
        num_images = pixels.shape[0]
        tokens = visual._embeds(pixels)
        blocks = list(visual.transformer.resblocks)
        shapes = [(num_images * len(group), group.shape[1]) for group in self._all_groups()]

        first = blocks[0]
        qkv = _gather(_query_key_value(first, first.ln_1(tokens)), self._all_groups())
        x = _gather(tokens, self._all_groups())
        for block, following in pairwise(blocks):
            x = _mix(block, x, _attend(block, qkv, shapes))
            qkv = _query_key_value(following, following.ln_1(x))

        keep = [shapes[0][1]] + [1] * (len(shapes) - 1)
        mixed = _attend(blocks[-1], qkv, shapes, keep=keep)
        kept = [
            part.reshape(*shape, -1)[:, :queries].flatten(0, 1)
            for part, shape, queries in zip(_split(x, shapes), shapes, keep, strict=True)
        ]
        x = visual.ln_post(_mix(blocks[-1], torch.cat(kept), mixed))

        counts = [rows * queries for (rows, _), queries in zip(shapes, keep, strict=True)]
        whole, *windows = torch.split(x, counts)
        whole = whole.reshape(num_images, keep[0], -1)
        return Features(
            F.normalize(whole[:, 0] @ visual.proj, dim=-1),
            F.normalize(whole[:, 1:], dim=-1),
            tuple(
                F.normalize((part @ visual.proj).reshape(num_images, -1, self.embed_dim), dim=-1)
                for part in windows
            ),
        )

    def _all_groups(self) -> list[Tensor]:
        return [self._tokens(number) for number in range(self.groups)]


def _query_key_value(block: Any, x: Tensor) -> Tensor:
    return F.linear(x, block.attn.in_proj_weight, block.attn.in_proj_bias)


def _gather(tokens: Tensor, groups: list[Tensor]) -> Tensor:
    """(N, 1 + P, C) to packed (T, C): the tokens of each group's windows, group by group."""
    width = tokens.shape[-1]
    return torch.cat([tokens[:, group.flatten()].reshape(-1, width) for group in groups])


def _split(packed: Tensor, shapes: list[tuple[int, int]]) -> tuple[Tensor, ...]:
    return torch.split(packed, [rows * length for rows, length in shapes])


def _attend(
    block: Any, qkv: Tensor, shapes: list[tuple[int, int]], *, keep: list[int] | None = None
) -> Tensor:
    """Multi-head attention within each window; packed (T, C), or the first `keep` of each."""
    heads = block.attn.num_heads
    width = qkv.shape[-1] // 3
    mixed = []
    for number, (part, (rows, length)) in enumerate(zip(_split(qkv, shapes), shapes, strict=True)):
        query, key, value = part.reshape(rows, length, 3, heads, width // heads).permute(
            2, 0, 3, 1, 4
        )
        if keep is not None:
            query = query[:, :, : keep[number]]
        out = F.scaled_dot_product_attention(query, key, value)
        mixed.append(out.transpose(1, 2).reshape(-1, width))
    return torch.cat(mixed)


def _mix(block: Any, x: Tensor, attended: Tensor) -> Tensor:
    """The rest of a block after its attention: output projection, residuals, MLP."""
    x = x + block.ls_1(block.attn.out_proj(attended))
    mixed: Tensor = x + block.ls_2(block.mlp(block.ln_2(x)))
    return mixed


def _refuse_unsupported(visual: Any) -> None:
    blocks = getattr(getattr(visual, "transformer", None), "resblocks", None)
    supported = (
        blocks is not None
        and all(isinstance(block.attn, nn.MultiheadAttention) for block in blocks)
        and getattr(visual, "attn_pool", None) is None
        and getattr(visual, "pool_type", None) == "tok"
        and not getattr(visual, "final_ln_after_pool", False)
        and visual.proj is not None
    )
    if not supported:
        raise ModelError(
            f"image tower {type(visual).__name__} is not a plain CLIP vision transformer",
            "use a ViT with class-token pooling, e.g. ViT-B-16-plus-240",
        )
