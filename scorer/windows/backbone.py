"""The backbone: from pixels to features, shared by all lines."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from contract.errors import ModelError
from contract.image import Pixels
from scorer.clip.models import LoadedClip
from scorer.clip.presets import IMAGE, PATCH, window
from scorer.windows.cache import WindowCache
from scorer.windows.features import Features, Wanted
from scorer.windows.pixels import Preprocessor
from scorer.windows.precision import compute_dtype
from scorer.windows.tiling import Tiling, make_tiling
from scorer.windows.tower import ImageTower

if TYPE_CHECKING:
    from scorer.windows.patches import PatchEncoder

Needs = frozenset[str]
"""What scores are made of: names of `clip.presets`, such as IMAGE, PATCH and `window(2)`."""


class Crop(NamedTuple):
    """An inspected crop of a stream.

    Attributes:
        pixels: uint8 RGB (S, S, 3).
        tiling: how it is laid before the model.
        camera: whose it is.
        needs: what its scores are made of; None: all that there is.
    """

    pixels: Pixels
    tiling: Tiling
    camera: str
    needs: Needs | None = None


class Seen(NamedTuple):
    """Features of one crop's tiles, and what came from the cache.

    Attributes:
        features: of T tiles.
        reused_fraction: share of the windows.
        saved_tokens: tokens of the transformer.
    """

    features: Features
    reused_fraction: float
    saved_tokens: int


class Backbone:
    """CLIP's image tower with its preprocessing, and the network whose patches stand in for its.

    Args:
        loaded: the CLIP model.
        scales: window sides in patches.
        device: torch device.
        dtype: compute type; `auto`: see `precision`.
        encoder: makes the patch features to compare with references; None: the tower does.
        compiler: backend of `torch.compile` for the tower, e.g. inductor; None: none.

    Raises:
        ModelError: an image tower that windows cannot be cut from.

    Attributes:
        name, weights_sha256: of the CLIP model.
        tower: the packed pass over images and windows.
        encoder: as given, on the device.
        like: an empty tensor on the device and in the compute type.
        whole: the tiling of a crop that is as large as the model's input.
    """

    def __init__(
        self,
        loaded: LoadedClip,
        scales: tuple[int, ...],
        *,
        device: str = "cpu",
        dtype: str = "float32",
        encoder: PatchEncoder | None = None,
        compiler: str | None = None,
    ) -> None:
        compute = compute_dtype(dtype, device)
        self.like = torch.empty(0, dtype=compute, device=device)
        self.tower = ImageTower(loaded.clip.visual.to(device, compute), scales, compiler=compiler)
        self.encoder = None if encoder is None else encoder.to(self.like)
        self.scales = scales
        self.name, self.weights_sha256 = loaded.name, loaded.weights_sha256
        self._preprocess = Preprocessor(loaded.mean, loaded.std)
        if len(set(self.image_px)) > 1:
            raise ModelError(
                f"{loaded.name} takes {self.image_px[0]} x {self.image_px[1]} px",
                "windows need a square input",
            )
        self.whole = self.tiling(self.image_px[0])

    @property
    def device(self) -> torch.device:
        """Where the model runs."""
        return self.like.device

    @property
    def dtype(self) -> str:
        """What the image tower computes in."""
        return str(self.like.dtype).removeprefix("torch.")

    @property
    def image_px(self) -> tuple[int, int]:
        """Height and width of the model's input, in pixels."""
        return self.tower.image_px

    @property
    def grid(self) -> tuple[int, int]:
        """Patches of the model's input, down and across."""
        return self.tower.grid

    @property
    def patch_px(self) -> int:
        """Side of a patch, in pixels of the model's input."""
        return self.image_px[0] // self.grid[0]

    def tiling(self, size_px: int, *, overlap_px: int = 0, mask: Tensor | None = None) -> Tiling:
        """How square crops of `size_px` are laid before this model; see `make_tiling`."""
        tiling = make_tiling(self.tower, size_px=size_px, overlap_px=overlap_px, mask=mask)
        return replace(tiling, num_tokens=self.num_tokens(tiling))

    def window_cache(self, *, tolerance: float, capacity: int) -> WindowCache:
        """A cache for streams of this model.

        Args:
            tolerance: grey levels (of 255) by which a pixel may differ and still count as
                unchanged; 0: bit-identical after preprocessing.
            capacity: tiles of cameras kept.
        """
        per_channel = self._preprocess.levels(tolerance).to(self.like)
        per_value = per_channel.repeat_interleave(self.patch_px**2)
        return WindowCache(self.tower, tolerance=per_value, capacity=capacity)

    def wanted(self, tiling: Tiling, needs: Needs | None) -> Wanted:
        """What the tower has to look at in the tiles of a crop whose scores are made of `needs`."""
        if needs is None:
            return tiling.wanted
        tower_patches = PATCH in needs and self.encoder is None
        image, *windows = (
            each if needed else torch.zeros_like(each)
            for each, needed in zip(
                (tiling.wanted.image, *tiling.wanted.windows),
                (IMAGE in needs or tower_patches, *(window(s) in needs for s in self.scales)),
                strict=True,
            )
        )
        return Wanted(image, tuple(windows))

    def num_tokens(self, tiling: Tiling, needs: Needs | None = None) -> int:
        """What a crop costs at most, in tokens of the transformer."""
        tokens = int(self.tower.num_tokens(self.wanted(tiling, needs)).sum())
        return tokens + tiling.num_tiles * self._encoder_tokens(needs)

    def preprocess(self, images: Pixels | Sequence[Pixels], size_px: int | None = None) -> Tensor:
        """(N, 3, S, S) at `size_px` (default: the model's input) from uint8 RGB of any sizes.

        Raises:
            ImageError: no image, another dtype or shape.
        """
        return self._preprocess(images, self.like, size_px or self.image_px[0])

    @torch.inference_mode()
    def features(
        self, pixels: Tensor, wanted: Wanted | None = None, *, needs: Needs | None = None
    ) -> Features:
        """Image, patch and window features of preprocessed (N, 3, H, W).

        Args:
            wanted: what the tower looks at; None: everything.
            needs: without PATCH the other network has nothing to do; None: it has.
        """
        pixels = pixels.to(self.like)
        features: Features = self.tower(self.tower.patchify(pixels), wanted)
        if self._encoder_tokens(needs):
            return features._replace(patches=self._encode(pixels))
        return features

    @torch.inference_mode()
    def look(self, crops: Sequence[Crop], cache: WindowCache | None = None) -> list[Seen]:
        """What is seen in crops of any lines, in one pass; `cache`: of their streams.

        Raises:
            ImageError: a picture of another dtype or shape.
        """
        wanted = Wanted.cat([self.wanted(crop.tiling, crop.needs) for crop in crops])
        tiles = [
            crop.tiling.cut(self.preprocess([crop.pixels], crop.tiling.size_px)) for crop in crops
        ]
        patches = self.tower.patchify(torch.cat(tiles))
        if cache is None:
            features, missing = self.tower(patches, wanted), wanted
        else:
            keys = [
                (crop.camera, crop.needs, tile)
                for crop in crops
                for tile in range(crop.tiling.num_tiles)
            ]
            features, missing = cache.features(patches, wanted, keys)
        asked = wanted.num_windows
        # A tile of which nothing is asked is not reused, it is left out.
        reused = torch.where(asked > 0, 1.0 - missing.num_windows / asked.clamp_min(1), 0.0)
        saved = self.tower.num_tokens(wanted) - self.tower.num_tokens(missing)
        ends = accumulate(len(each) for each in tiles)
        parts = [slice(end - len(each), end) for end, each in zip(ends, tiles, strict=True)]
        return [
            Seen(each, float(reused[part].mean()), int(saved[part].sum()))
            for each, part in zip(self._of_crops(features, parts, crops, tiles), parts, strict=True)
        ]

    def _of_crops(
        self,
        features: Features,
        parts: Sequence[slice],
        crops: Sequence[Crop],
        tiles: Sequence[Tensor],
    ) -> list[Features]:
        """The features of each crop, with the other network's patches for those that need them."""
        found = [features.take(part) for part in parts]
        asking = [index for index, crop in enumerate(crops) if self._encoder_tokens(crop.needs)]
        if asking:
            encoded = self._encode(torch.cat([tiles[index] for index in asking]))
            each = torch.split(encoded, [len(tiles[index]) for index in asking])
            for index, own in zip(asking, each, strict=True):
                found[index] = found[index]._replace(patches=own)
        return found

    def _encode(self, pixels: Tensor) -> Tensor:
        """The other network's patches of preprocessed (N, 3, H, W), as many at once as fit."""
        assert self.encoder is not None
        at_once = max(1, self.tower.max_tokens // self._encoder_tokens(None))
        return torch.cat([self.encoder(part) for part in torch.split(pixels, at_once)])

    def _encoder_tokens(self, needs: Needs | None) -> int:
        """What the other network costs a tile, in tokens of the tower; no cache saves them."""
        if self.encoder is None or (needs is not None and PATCH not in needs):
            return 0
        return math.ceil(self.encoder.products_per_tile / self.tower.products_per_token)
