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


class Layout(NamedTuple):
    """Where the tokens of N images stand in a packed batch: group by group, window by window.

    Attributes:
        shapes: per group, windows and tokens per window.
        gather: (T,) of all tokens, their place among the N * (1 + P) tokens of the images.
        queries: per group, tokens per window that the last block has to mix.
        kept: (Q,) of these tokens, their place in the packed batch.
    """

    shapes: list[tuple[int, int]]
    gather: Tensor
    queries: list[int]
    kept: Tensor


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
        self.groups = [
            torch.cat([torch.zeros(len(patches), 1, dtype=torch.int64), patches + 1], dim=1)
            for patches in (
                torch.arange(self.grid[0] * self.grid[1]).unsqueeze(0),
                *(window_patches(self.grid, scale) for scale in scales),
            )
        ]
        self._layouts: dict[int, Layout] = {}

    @property
    def tokens_per_image(self) -> int:
        """Tokens that one image costs: image, and windows of every scale."""
        return sum(group.numel() for group in self.groups)

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
        layout = self._layout(pixels.shape[0], pixels.device)
        blocks = list(visual.transformer.resblocks)
        tokens = visual._embeds(pixels).flatten(0, 1)

        qkv = _query_key_value(blocks[0], blocks[0].ln_1(tokens)).index_select(0, layout.gather)
        x = tokens.index_select(0, layout.gather)
        every = [length for _, length in layout.shapes]
        for block, following in pairwise(blocks):
            x = _mix(block, x, _attend(block, qkv, layout.shapes, every))
            qkv = _query_key_value(following, following.ln_1(x))
        attended = _attend(blocks[-1], qkv, layout.shapes, layout.queries)
        x = visual.ln_post(_mix(blocks[-1], x.index_select(0, layout.kept), attended))
        return self._features(x, pixels.shape[0], layout)

    def _features(self, x: Tensor, num_images: int, layout: Layout) -> Features:
        counts = [
            rows * queries for (rows, _), queries in zip(layout.shapes, layout.queries, strict=True)
        ]
        whole, *windows = torch.split(x, counts)
        whole = whole.reshape(num_images, layout.queries[0], -1)
        proj = self.visual.proj
        return Features(
            F.normalize(whole[:, 0] @ proj, dim=-1),
            F.normalize(whole[:, 1:], dim=-1),
            tuple(
                F.normalize((part @ proj).reshape(num_images, -1, self.embed_dim), dim=-1)
                for part in windows
            ),
        )

    def _layout(self, num_images: int, device: torch.device) -> Layout:
        """The layout of `num_images`, made once; `MAX_TOKENS` bounds how many there are."""
        if num_images not in self._layouts:
            num_tokens = 1 + self.grid[0] * self.grid[1]
            first = num_tokens * torch.arange(num_images)[:, None]
            shapes = [(num_images * len(group), group.shape[1]) for group in self.groups]
            queries = [shapes[0][1]] + [1] * (len(shapes) - 1)
            places, start = [], 0
            for (rows, length), wanted in zip(shapes, queries, strict=True):
                window = start + length * torch.arange(rows)[:, None]
                places.append((window + torch.arange(wanted)).flatten())
                start += rows * length
            self._layouts[num_images] = Layout(
                shapes,
                torch.cat([(first + group.flatten()).flatten() for group in self.groups]).to(
                    device
                ),
                queries,
                torch.cat(places).to(device),
            )
        return self._layouts[num_images]


def _query_key_value(block: Any, x: Tensor) -> Tensor:
    return F.linear(x, block.attn.in_proj_weight, block.attn.in_proj_bias)


def _attend(block: Any, qkv: Tensor, shapes: list[tuple[int, int]], queries: list[int]) -> Tensor:
    """Multi-head attention within each window.

    Args:
        qkv: (T, 3 * width) packed.
        queries: per group, how many tokens of each window ask, counted from its first.

    Returns:
        (Q, width) packed: the tokens that asked.
    """
    heads = block.attn.num_heads
    width = qkv.shape[-1] // 3
    counts = [rows * asking for (rows, _), asking in zip(shapes, queries, strict=True)]
    mixed = qkv.new_empty(sum(counts), width)
    groups = zip(
        torch.split(qkv, [rows * length for rows, length in shapes]),
        torch.split(mixed, counts),
        shapes,
        queries,
        strict=True,
    )
    for part, out, (rows, length), asking in groups:
        query, key, value = part.reshape(rows, length, 3, heads, width // heads).permute(
            2, 0, 3, 1, 4
        )
        attended = F.scaled_dot_product_attention(query[:, :, :asking], key, value)
        out.view(rows, asking, heads, width // heads).copy_(attended.transpose(1, 2))
    return mixed


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
