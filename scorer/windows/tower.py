"""CLIP's image tower over whole images and their windows in one packed pass.

Equation (2) runs the tower on the class token and the patches of one window. Here the tokens of
the images and of every window of every scale stand in one packed batch: each linear layer and norm
runs once over all of them, and attention stays within a window. Three savings are exact:

- `ln_pre` and the first block's query, key and value are computed once per patch and gathered,
  because before the first attention a token does not depend on its window;
- in the last block a window needs the query and the MLP of its class token only;
- both scales and the image share every matrix product.

Which windows are wanted may differ from image to image: those that a cache holds, or that lie
outside a region of interest, take no part.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from contract.errors import ModelError
from scorer.windows.blocks import Block, attend
from scorer.windows.features import Features, Wanted
from scorer.windows.geometry import window_patches
from scorer.windows.linear import Linear

MAX_TOKENS = 12_000
ACTIVATIONS = 10
SHARES = (8, 4, 2, 1)


class Layout(NamedTuple):
    """Where the tokens stand in a packed batch: group by group, window by window.

    Attributes:
        rows: windows per group; the first group are the whole images.
        lengths: tokens per window, per group.
        gather: (T,) of all tokens, their place among the N * (1 + P) tokens of the images.
        kept: (Q,) places of the tokens that the last block has to mix: class tokens, and all
            tokens of whole images.
    """

    rows: list[int]
    lengths: list[int]
    gather: Tensor
    kept: Tensor


class ImageTower(nn.Module):
    """The packed pass over an open_clip vision transformer.

    Args:
        visual: the `visual` tower of an open_clip CLIP model, on its device and in its dtype;
            shared, not copied.
        scales: window sides in patches.
        compiler: backend of `torch.compile` for the blocks; batches are then filled up to one of
            few shapes (`shapes`). None: run them as they are.

    Raises:
        ModelError: a tower that is built differently from the paper's (no class token pooling,
            attention pooling, timm, custom blocks).

    Attributes:
        max_tokens: tokens that run at once; a larger batch runs in parts.
    """

    def __init__(
        self,
        visual: Any,
        scales: tuple[int, ...],
        *,
        compiler: str | Callable[..., Any] | None = None,
    ) -> None:
        super().__init__()
        _refuse_unsupported(visual)
        self.visual = visual
        self.max_tokens = MAX_TOKENS
        self.grid: tuple[int, int] = tuple(visual.grid_size)
        self.image_px: tuple[int, int] = tuple(visual.image_size)
        self.width = int(visual.class_embedding.shape[0])
        self.embed_dim = int(visual.proj.shape[1])
        self.window_patches = [window_patches(self.grid, scale) for scale in scales]
        whole = torch.arange(self.grid[0] * self.grid[1])[None]
        self._groups = [F.pad(patches + 1, (1, 0)) for patches in (whole, *self.window_patches)]
        *blocks, last = visual.transformer.resblocks
        self._blocks = [*(Block(block) for block in blocks), Block(last, last=True)]
        self._run_blocks = self._run
        self._compiled = compiler is not None
        if compiler is not None:
            # Beyond its limit of shapes the compiler would silently compile nothing any more.
            limits = torch._dynamo.config
            limits.recompile_limit = max(limits.recompile_limit, len(self.shapes()))
            self._run_blocks = torch.compile(
                self._run, backend=compiler, dynamic=False, fullgraph=True
            )
        self._embed = Linear(visual.conv1.weight.flatten(1), visual.conv1.bias)
        self.project = Linear(visual.proj.T, None)

    @property
    def tokens_per_image(self) -> int:
        """Tokens that one image costs: image, and windows of every scale."""
        return sum(group.numel() for group in self._groups)

    @property
    def bytes_per_token(self) -> int:
        """Of activations that live at once: the stream, its norm, and the MLP's four widths."""
        return ACTIVATIONS * self.width * int(self.visual.proj.element_size())

    @property
    def products_per_token(self) -> int:
        """Multiplications that a token costs in the linear layers."""
        return 12 * self.width**2 * len(self._blocks)

    def shapes(self) -> list[tuple[int, list[int]]]:
        """Of a compiled tower: images in a batch, and rows of each group; all that is ever run."""
        numbers = [1 << power for power in range(self._max_images.bit_length())]
        return [(number, self._rows(number, share)) for number in numbers for share in SHARES]

    @torch.inference_mode()
    def rehearse(self) -> None:
        """Run every shape of a compiled tower once: nothing is compiled while frames wait."""
        if not self._compiled:
            return
        like = self.visual.class_embedding
        for number, rows in self.shapes():
            found = [torch.zeros(each, 2, dtype=torch.int64) for each in rows]
            tokens = like.new_zeros(number * self._groups[0].shape[1], self.width)
            self._run_blocks(tokens, self._layout(found, like.device))

    @property
    def _max_images(self) -> int:
        return 1 << max(1, self.max_tokens // self.tokens_per_image).bit_length() - 1

    def _rows(self, num_images: int, share: int) -> list[int]:
        """Rows of each group: all images, and one in `share` of their windows."""
        windows = [-(-num_images * len(each) // share) for each in self.window_patches]
        return [num_images, *windows]

    def patchify(self, pixels: Tensor) -> Tensor:
        """The patches (N, P, 3 * side * side) of preprocessed images (N, 3, H, W)."""
        rows, columns = self.grid
        side = self.image_px[0] // rows
        cut = pixels.reshape(len(pixels), -1, rows, side, columns, side)
        return cut.permute(0, 2, 4, 1, 3, 5).reshape(len(pixels), rows * columns, -1)

    def everything(self, num_images: int) -> Wanted:
        """All of `num_images`."""
        return Wanted(
            torch.ones(num_images, dtype=torch.bool),
            tuple(
                torch.ones(num_images, len(patches), dtype=torch.bool)
                for patches in self.window_patches
            ),
        )

    def forward(self, patches: Tensor, wanted: Wanted | None = None) -> Features:
        """Features of images.

        Args:
            patches: (N, P, 3 * side * side) from `patchify`, in the tower's dtype.
            wanted: what to look at, on the CPU; None: everything.
        """
        wanted = self.everything(len(patches)) if wanted is None else wanted
        if not wanted.num_windows.any():
            return self._nothing(patches)
        return Features.cat(
            [
                self._forward(patches[part], wanted.take(part))
                for part in self._parts(self.num_tokens(wanted))
            ]
        )

    def _nothing(self, patches: Tensor) -> Features:
        num = len(patches)
        return Features(
            patches.new_zeros(num, self.embed_dim),
            patches.new_zeros(num, self._groups[0].shape[1] - 1, self.width),
            tuple(
                patches.new_zeros(num, len(each), self.embed_dim) for each in self.window_patches
            ),
        )

    def num_tokens(self, wanted: Wanted) -> Tensor:
        """int64 (N,): tokens that each image costs."""
        return sum(
            (
                each.sum(dim=1) * group.shape[1]
                for each, group in zip(wanted.groups, self._groups, strict=True)
            ),
            torch.zeros(len(wanted.image), dtype=torch.int64),
        )

    def _parts(self, num_tokens: Tensor) -> list[slice]:
        """Consecutive images that fit `max_tokens` together; one that does not fit goes alone."""
        starts, total = [0], 0
        for index, tokens in enumerate(num_tokens.tolist()):
            crowded = self._compiled and index - starts[-1] == self._max_images
            if (total and total + tokens > self.max_tokens) or crowded:
                starts.append(index)
                total = 0
            total += tokens
        return [slice(start, end) for start, end in pairwise([*starts, len(num_tokens)])]

    def _forward(self, patches: Tensor, wanted: Wanted) -> Features:
        chosen = [each.nonzero() for each in wanted.groups]
        tokens, found = self._tokens(patches), chosen
        if self._compiled:
            tokens, found = self._filled(tokens, chosen, len(patches))
        layout = self._layout(found, patches.device)
        x = self._run_blocks(tokens, layout)
        return self._features(x, layout.rows, chosen, len(patches))

    def _filled(
        self, tokens: Tensor, chosen: list[Tensor], num: int
    ) -> tuple[Tensor, list[Tensor]]:
        """A batch filled up to the smallest shape that holds it."""
        number = 1 << (num - 1).bit_length()
        rows = next(
            rows
            for rows in (self._rows(number, share) for share in SHARES)
            if all(len(found) <= each for found, each in zip(chosen, rows, strict=True))
        )
        missing = (number - num) * self._groups[0].shape[1]
        return F.pad(tokens, (0, 0, 0, missing)), [
            F.pad(found, (0, 0, 0, each - len(found)))
            for found, each in zip(chosen, rows, strict=True)
        ]

    def _tokens(self, patches: Tensor) -> Tensor:
        """(N * (1 + P), width): class token and patches of each image, as the first block sees."""
        visual = self.visual
        embedded = self._embed(patches.flatten(0, 1)).reshape(*patches.shape[:2], -1)
        first = visual.class_embedding.expand(len(patches), 1, -1)
        positioned = torch.cat([first, embedded], dim=1) + visual.positional_embedding
        tokens: Tensor = visual.ln_pre(positioned).flatten(0, 1)
        return tokens

    def _layout(self, chosen: list[Tensor], device: torch.device) -> Layout:
        first_token = 1 + self.grid[0] * self.grid[1]
        rows, gather, kept, start = [], [], [], 0
        for number, (found, group) in enumerate(zip(chosen, self._groups, strict=True)):
            image, window = found.unbind(dim=1)
            gather.append((first_token * image[:, None] + group[window]).flatten())
            places = start + torch.arange(len(gather[-1])).view(group[window].shape)
            kept.append((places if number == 0 else places[:, :1]).flatten())
            rows.append(len(found))
            start += len(gather[-1])
        return Layout(
            rows,
            [group.shape[1] for group in self._groups],
            torch.cat(gather).to(device, non_blocking=True),
            torch.cat(kept).to(device, non_blocking=True),
        )

    def _run(self, tokens: Tensor, layout: Layout) -> Tensor:
        """The blocks: from the tokens of the images to the kept tokens (Q, width)."""
        *blocks, last = self._blocks
        x = tokens.index_select(0, layout.gather)
        for block in blocks:
            if block is blocks[0]:
                qkv = block.query_key_value(block.ln_1(tokens)).index_select(0, layout.gather)
            else:
                qkv = block.query_key_value(block.ln_1(x))
            query, key_value = qkv.tensor_split([self.width], dim=1)
            x = block.mix(x, _attend(block, query, key_value, layout, layout.lengths))
        normed = last.ln_1(x)
        query, key_value = last.query(normed.index_select(0, layout.kept)), last.key_value(normed)
        asking = [layout.lengths[0]] + [1] * (len(layout.lengths) - 1)
        attended = _attend(last, query, key_value, layout, asking)
        return last.mix(x.index_select(0, layout.kept), attended)

    def _features(self, x: Tensor, rows: list[int], chosen: list[Tensor], num: int) -> Features:
        """Kept tokens (Q, width) to the features of `num` images."""
        x = self.visual.ln_post(x)
        whole, windows = x.tensor_split([rows[0] * self._groups[0].shape[1]])
        whole = whole.reshape(rows[0], self._groups[0].shape[1], self.width)
        projected = _normalised(self.project(torch.cat([whole[:, 0], windows])))
        image, *scales = torch.split(projected, rows)
        return Features(
            _place(image, chosen[0], (num, 1)).squeeze(1),
            _place(_normalised(whole[:, 1:]), chosen[0], (num, 1)).squeeze(1),
            tuple(
                _place(each, found, (num, len(patches)))
                for each, found, patches in zip(
                    scales, chosen[1:], self.window_patches, strict=True
                )
            ),
        )


def _attend(
    block: Block, query: Tensor, key_value: Tensor, layout: Layout, asking: list[int]
) -> Tensor:
    """Attention within the windows of each group; `asking` tokens of each window ask."""
    mixed = query.new_empty(query.shape)
    counts = [rows * each for rows, each in zip(layout.rows, asking, strict=True)]
    lengths = [rows * each for rows, each in zip(layout.rows, layout.lengths, strict=True)]
    for out, part, context, rows in zip(
        torch.split(mixed, counts),
        torch.split(query, counts),
        torch.split(key_value, lengths),
        layout.rows,
        strict=True,
    ):
        if rows:
            attend(part, context, rows=rows, heads=block.heads, out=out)
    return mixed


def _normalised(vectors: Tensor) -> Tensor:
    """Vectors of length 1, which is taken in float32: rounded to eight bits it biases scores."""
    return F.normalize(vectors.float(), dim=-1).to(vectors.dtype)


def _place(found: Tensor, where: Tensor, shape: tuple[int, int]) -> Tensor:
    """Rows of `found` to the places (M, 2) `where` of a tensor of `shape`, zeros elsewhere."""
    placed = found.new_zeros(*shape, *found.shape[1:])
    image, window = where.to(found.device).unbind(dim=1)
    placed[image, window] = found[: len(where)]
    return placed


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
