"""How an inspected crop is laid before the model: in tiles, and only what counts of it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from contract.errors import ConfigError, ImageError
from scorer.windows.features import Wanted
from scorer.windows.tower import ImageTower


@dataclass(frozen=True)
class Tiling:
    """Overlapping tiles of a square crop, each as large as the model's input.

    What lies outside the region of interest never reaches the model: it is painted in the mean
    colour, its windows are not computed, and the map is NaN there. So it cannot move a score.

    Attributes:
        size_px: side of the crop.
        patch_px: side of a patch; tiles stand on whole patches.
        tile: side of a tile, in patches.
        offsets: (row, column) of each tile that counts, in patches of the crop.
        inside: bool (R, C): patches of the crop that count.
        inside_tiles: bool (T, P): the same, tile by tile.
        painted: bool (size_px, size_px): pixels to paint, or None.
        wanted: what the tower looks at in each tile.
        num_tokens: what a crop costs at most, in tokens of the transformer.
    """

    size_px: int
    patch_px: int
    tile: int
    offsets: tuple[tuple[int, int], ...]
    inside: Tensor
    inside_tiles: Tensor
    painted: Tensor | None
    wanted: Wanted
    num_tokens: int

    @property
    def num_tiles(self) -> int:
        """T: tiles per crop."""
        return len(self.offsets)

    def cut(self, pixels: Tensor) -> Tensor:
        """Tiles (N * T, 3, H, W), crop by crop, of preprocessed crops (N, 3, size_px, size_px).

        Raises:
            ImageError: no crop, another shape, or bytes that were not preprocessed.
        """
        expected = (3, self.size_px, self.size_px)
        if pixels.shape[1:] != expected or len(pixels) == 0 or not pixels.is_floating_point():
            raise ImageError(
                f"pixels of shape {tuple(pixels.shape)} and {pixels.dtype}",
                f"expected preprocessed (N, {', '.join(map(str, expected))}), N at least 1",
            )
        if self.painted is not None:
            pixels = pixels.masked_fill(self.painted.to(pixels.device), 0.0)
        if self.num_tiles == 1 and self.size_px == self.tile * self.patch_px:
            return pixels
        side = self.tile * self.patch_px
        corners = [(row * self.patch_px, column * self.patch_px) for row, column in self.offsets]
        tiles = [pixels[..., top : top + side, left : left + side] for top, left in corners]
        return torch.stack(tiles, dim=1).flatten(0, 1)

    def stitch(self, maps: Tensor) -> Tensor:
        """One map per crop from those of its tiles, which weigh less towards their edges.

        Args:
            maps: (N * T, P).

        Returns:
            (N, R, C); NaN where nothing counts.
        """
        whole = self.inside.to(maps.device)
        tiles = maps.reshape(-1, self.num_tiles, self.tile, self.tile)
        ramp = torch.arange(1.0, self.tile + 1, device=maps.device)
        ramp = torch.minimum(ramp, ramp.flip(0))
        weight = ramp[:, None] * ramp
        total = maps.new_zeros(len(tiles), *whole.shape)
        weights = maps.new_zeros(whole.shape)
        for number, (top, left) in enumerate(self.offsets):
            part = (slice(top, top + self.tile), slice(left, left + self.tile))
            total[:, *part] += tiles[:, number] * weight
            weights[part] += weight
        return (total / weights).masked_fill(~whole, math.nan)

    def highest(self, maps: Tensor) -> Tensor:
        """(N,): the largest value of stitched maps (N, R, C) where it counts, NaN included."""
        return maps.masked_fill(~self.inside.to(maps.device), 0.0).flatten(1).amax(dim=1)


def make_tiling(
    tower: ImageTower,
    *,
    size_px: int,
    overlap_px: int = 0,
    mask: Tensor | None = None,
) -> Tiling:
    """The tiling of square crops of `size_px`.

    Args:
        overlap_px: least overlap of neighbouring tiles; rounded up to whole patches.
        mask: bool (h, w), the crop at any resolution: True is inspected.

    Raises:
        ConfigError: a size that is not made of whole patches, or is less than the model's input;
            an overlap of a whole tile; a mask that shows nothing.
    """
    side, patch_px = tower.grid[0], tower.image_px[0] // tower.grid[0]
    if size_px % patch_px or size_px < side * patch_px:
        raise ConfigError(
            f"an inspected crop of {size_px} px",
            f"a multiple of {patch_px} px, at least {side * patch_px} (the model's input)",
        )
    overlap = math.ceil(overlap_px / patch_px)
    if overlap >= side:
        raise ConfigError(
            f"tiles that overlap by {overlap_px} px", f"less than {(side - 1) * patch_px + 1} px"
        )
    patches = size_px // patch_px
    painted = None if mask is None else ~_scaled(mask, size_px)
    inside = torch.ones(patches, patches, dtype=torch.bool)
    if painted is not None:
        inside = F.max_pool2d((~painted)[None].float(), patch_px)[0] > 0
    if not inside.any():
        raise ConfigError("a mask without any inspected pixel", "white is inspected, black is not")
    starts = _starts(patches, side, overlap)
    tiles = [
        ((top, left), inside[top : top + side, left : left + side].flatten())
        for top in starts
        for left in starts
    ]
    tiles = [(offset, part) for offset, part in tiles if part.any()]
    counts = torch.stack([part for _, part in tiles])
    wanted = Wanted(
        torch.ones(len(tiles), dtype=torch.bool),
        tuple(counts[:, windows].any(dim=-1) for windows in tower.window_patches),
    )
    return Tiling(
        size_px,
        patch_px,
        side,
        tuple(offset for offset, _ in tiles),
        inside,
        counts,
        painted,
        wanted,
        int(tower.num_tokens(wanted).sum()),
    )


def _starts(patches: int, side: int, overlap: int) -> list[int]:
    """Where tiles begin along one edge: as few as overlap enough, evenly spread."""
    count = 1 if patches == side else math.ceil((patches - overlap) / (side - overlap))
    return torch.linspace(0, patches - side, count).round().int().tolist()


def _scaled(mask: Tensor, size_px: int) -> Tensor:
    """Bool (size_px, size_px): inspected if any pixel of the mask there is, however thin."""
    height, width = (min(side, size_px) for side in mask.shape)
    shrunk = F.adaptive_max_pool2d(mask[None].float(), (height, width))
    scaled = F.interpolate(shrunk[None], (size_px, size_px), mode="nearest-exact")
    return scaled[0, 0] > 0
