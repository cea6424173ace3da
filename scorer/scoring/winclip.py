"""WinCLIP (zero-shot) and WinCLIP+ (with reference images), as in the paper.

Equation numbers are those of Jeong et al., "WinCLIP: Zero-/Few-Shot Anomaly Classification and
Segmentation", CVPR 2023.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from copy import copy
from dataclasses import replace
from hashlib import sha256
from itertools import accumulate
from pathlib import Path
from typing import Final, NamedTuple, Self

import torch
from torch import Tensor

from contract.config import ModelSettings
from contract.errors import FlawlineError, ModelError
from contract.image import Pixels
from scorer.clip.models import MINI, LoadedClip, load_clip
from scorer.clip.presets import PATCH, PRESETS, Preset
from scorer.clip.text import TextEncoder
from scorer.scoring.memory import Bank, Fingerprint, ReferenceMemory, fill_banks
from scorer.scoring.scoring import AssociationMap, Result, Scoring
from scorer.windows.cache import WindowCache
from scorer.windows.features import Features, Wanted
from scorer.windows.patches import PatchEncoder
from scorer.windows.pixels import Preprocessor
from scorer.windows.precision import compute_dtype
from scorer.windows.tower import ImageTower
from scorer.windows.view import View, make_view

PAPER_LANGUAGE_WEIGHT: Final = 0.5
BLOCK_IMAGES: Final = 16


class Crop(NamedTuple):
    """An inspected crop of a stream: uint8 RGB (S, S, 3), how it is tiled, and whose it is."""

    picture: Pixels
    view: View
    camera: str


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


class WinClip:
    """A CLIP model that scores images against words and reference images.

    Args:
        loaded: the CLIP model.
        preset: details that the paper leaves open.
        device: torch device.
        dtype: compute type of the image tower and of references; `auto`: see `precision`.
        language_weight: weight of the language term; 0.5 is equation (6).
        encoder: makes the patch features to compare with references; None: the tower does. Its
            patches are then compared alone, without CLIP's windows.
        compiler: backend of `torch.compile` for the tower, e.g. inductor; None: none.

    Raises:
        ModelError: an image tower that windows cannot be cut from.
    """

    def __init__(
        self,
        loaded: LoadedClip,
        *,
        preset: Preset,
        device: str = "cpu",
        dtype: str = "float32",
        language_weight: float = PAPER_LANGUAGE_WEIGHT,
        encoder: PatchEncoder | None = None,
        compiler: str | None = None,
    ) -> None:
        if encoder is not None:
            preset = replace(preset, association_maps=(PATCH,))
        self.preset = preset
        self.language_weight = language_weight
        self.fingerprint = _fingerprint(loaded, encoder, preset)
        self._text = TextEncoder(loaded.clip.to(device), loaded.tokenizer, preset)
        compute = compute_dtype(dtype, device)
        self._tower = ImageTower(
            loaded.clip.visual.to(device, compute),
            preset.scales,
            compiler=compiler,
        )
        self._preprocess = Preprocessor(loaded.mean, loaded.std)
        self._like = torch.empty(0, dtype=compute, device=device)
        self._encoder = None if encoder is None else encoder.to(self._like)
        if len(set(self.image_px)) > 1:
            raise ModelError(
                f"{loaded.name} takes {self.image_px[0]} x {self.image_px[1]} px",
                "windows need a square input",
            )
        self._scoring = self._scoring_of(preset)
        self._whole = self.view(self.image_px[0])

    @classmethod
    def load(
        cls,
        name: str = MINI,
        *,
        weights: str | Path | None = None,
        pretrained: str | None = None,
        preset: str = "paper",
        device: str = "cpu",
        dtype: str = "float32",
        language_weight: float = PAPER_LANGUAGE_WEIGHT,
        compiler: str | None = None,
        association: str | None = None,
        association_weights: str | Path | None = None,
    ) -> Self:
        """A model by name; see `models.load_clip` for where its weights come from.

        Raises:
            ModelError: unknown name, preset, dtype or device, or weights that do not fit.
        """
        if preset not in PRESETS:
            raise ModelError(f"unknown preset {preset!r}", f"one of {', '.join(PRESETS)}")
        _require_device(device)
        if compiler is not None and device == "cpu":
            raise ModelError(
                "the image tower cannot be compiled for a CPU",
                "leave it: its weights are packed for oneDNN instead",
            )
        loaded = load_clip(
            name, weights=None if weights is None else Path(weights), pretrained=pretrained
        )
        encoder = None
        if association is not None:
            if association_weights is None:
                raise ModelError(f"{association} has no weights", "give a local file")
            encoder = PatchEncoder(
                association,
                Path(association_weights),
                grid=loaded.clip.visual.grid_size,
                clip_mean=loaded.mean,
                clip_std=loaded.std,
            )
        return cls(
            loaded,
            preset=PRESETS[preset],
            device=device,
            dtype=dtype,
            language_weight=language_weight,
            encoder=encoder,
            compiler=compiler,
        )

    @property
    def device(self) -> torch.device:
        """Where the model runs."""
        return self._like.device

    @property
    def dtype(self) -> str:
        """What the image tower computes in."""
        return str(self._like.dtype).removeprefix("torch.")

    @property
    def max_tokens(self) -> int:
        """Tokens that run at once; larger batches run in parts."""
        return self._tower.max_tokens

    @max_tokens.setter
    def max_tokens(self, tokens: int) -> None:
        self._tower.max_tokens = tokens

    @property
    def bytes_per_token(self) -> int:
        """Memory that a token of a batch needs at least."""
        return self._tower.bytes_per_token

    @property
    def image_px(self) -> tuple[int, int]:
        """Height and width of the model's input, in pixels."""
        return self._tower.image_px

    @property
    def patch_px(self) -> int:
        """Side of a patch, in pixels of the model's input."""
        return self._tower.image_px[0] // self._tower.grid[0]

    @property
    def tokens_per_image(self) -> int:
        """Transformer tokens that one image costs."""
        return self._tower.tokens_per_image

    def rehearse(self) -> None:
        """Compile what a compiled tower will need, so that no frame waits for it."""
        self._tower.rehearse()

    def everything(self, num_images: int) -> Wanted:
        """All that the tower can look at in so many images."""
        return self._tower.everything(num_images)

    def is_sound(self) -> bool:
        """Whether a grey picture gets scores that are numbers, by words and by references."""
        features = self.features(torch.zeros(1, 3, *self.image_px).to(self._like))
        result = self.score_features(
            features, text=self.text_prototypes("object"), memory=self.remember(features)
        )
        return bool(torch.isfinite(result.anomaly_score).all())

    def words_score(self, embeddings: Tensor, text: Tensor) -> Tensor:
        """What words (2, D) say of embeddings (N, D) of length 1, equation (1): float32 (N,)."""
        return self._scoring.words_score(embeddings, text)

    def text_prototypes(
        self,
        object_name: str,
        *,
        normal_states: Sequence[str] = (),
        anomalous_states: Sequence[str] = (),
    ) -> Tensor:
        """Float32 (2, D): what a good and a bad `object_name` are in words; cached.

        Args:
            normal_states, anomalous_states: task-specific states, `{}` standing for the object.
        """
        return self._text.prototypes(
            object_name,
            normal_states=tuple(normal_states),
            anomalous_states=tuple(anomalous_states),
        )

    def nearest_prompt(
        self, embedding: Tensor, object_name: str, anomalous_states: tuple[str, ...] = ()
    ) -> str:
        """Of the anomalous prompts, the line's own among them, the one most like (D,)."""
        return self._text.nearest_prompt(embedding, object_name, anomalous_states)

    def view(self, size_px: int, *, overlap_px: int = 0, mask: Tensor | None = None) -> View:
        """How square crops of `size_px` are laid before this model; see `view.make_view`."""
        view = make_view(self._tower, size_px=size_px, overlap_px=overlap_px, mask=mask)
        if self._encoder is None:
            return view
        return replace(view, num_tokens=view.num_tokens + view.num_tiles * self._encoder_tokens)

    def window_cache(self, *, tolerance: float, capacity: int) -> WindowCache:
        """A cache for streams of this model.

        Args:
            tolerance: grey levels (of 255) by which a pixel may differ and still count as
                unchanged; 0: bit-identical after preprocessing.
            capacity: views (tiles of cameras) kept.
        """
        per_channel = self._preprocess.levels(tolerance).to(self._like)
        per_value = per_channel.repeat_interleave(self.patch_px**2)
        return WindowCache(self._tower, tolerance=per_value, capacity=capacity)

    def preprocess(self, images: Pixels | Sequence[Pixels], size_px: int | None = None) -> Tensor:
        """(N, 3, S, S) at `size_px` (default: the model's input) from uint8 RGB of any sizes.

        Raises:
            ImageError: no image, another dtype or shape.
        """
        return self._preprocess(images, self._like, size_px or self.image_px[0])

    @torch.inference_mode()
    def features(self, pixels: Tensor, wanted: Wanted | None = None) -> Features:
        """Image, patch and window features of preprocessed (N, 3, H, W); `wanted`: of what."""
        pixels = pixels.to(self._like)
        return self._with_patches(self._tower(self._tower.patchify(pixels), wanted), pixels)

    def look(self, crops: Sequence[Crop], cache: WindowCache | None = None) -> list[Seen]:
        """What the tower sees in crops of any lines, in one pass; `cache`: of their streams.

        Raises:
            ImageError: a picture of another dtype or shape.
        """
        tiles = [
            crop.view.cut(self.preprocess([crop.picture], crop.view.size_px)) for crop in crops
        ]
        wanted = Wanted.cat([crop.view.wanted for crop in crops])
        pixels, counts = torch.cat(tiles), [crop.view.num_tiles for crop in crops]
        if cache is None:
            features, missing = self.features(pixels, wanted), wanted
        else:
            keys = [(crop.camera, tile) for crop in crops for tile in range(crop.view.num_tiles)]
            features, missing = self.stream_features(pixels, wanted, cache, keys)
        reused = 1.0 - missing.num_windows / wanted.num_windows
        saved = self._tower.num_tokens(wanted) - self._tower.num_tokens(missing)
        parts = [
            slice(end - count, end) for end, count in zip(accumulate(counts), counts, strict=True)
        ]
        return [
            Seen(features.take(part), float(reused[part].mean()), int(saved[part].sum()))
            for part in parts
        ]

    @torch.inference_mode()
    def stream_features(
        self, pixels: Tensor, wanted: Wanted, cache: WindowCache, keys: Sequence[Hashable]
    ) -> tuple[Features, Wanted]:
        """As `features`, with what did not change since each view's last image from `cache`.

        Args:
            keys: the view that each image shows.

        Returns:
            features, and what of `wanted` had to be looked at.
        """
        pixels = pixels.to(self._like)
        features, missing = cache.features(self._tower.patchify(pixels), wanted, keys)
        return self._with_patches(features, pixels), missing

    def _with_patches(self, features: Features, pixels: Tensor) -> Features:
        """`features` with the patches that references are compared by."""
        if self._encoder is None:
            return features
        at_once = max(1, self.max_tokens // self._encoder_tokens)
        parts = [self._encoder(part) for part in torch.split(pixels, at_once)]
        return features._replace(patches=torch.cat(parts))

    @property
    def _encoder_tokens(self) -> int:
        """What the other network costs a tile, in tokens of the tower; no cache saves them."""
        if self._encoder is None:
            return 0
        return math.ceil(self._encoder.products_per_tile / self._tower.products_per_token)

    def enroll(
        self,
        images: Pixels | Sequence[Pixels],
        *,
        view: View | None = None,
        pooled: bool = False,
    ) -> ReferenceMemory:
        """The memory of K reference images: uint8 RGB, (K, H, W, 3) or a sequence of (H, W, 3).

        Args:
            view: how crops are tiled; None: the whole image is the model's input.
            pooled: compare each tile with the references' tiles of all positions, not only its
                own.

        Raises:
            ImageError: no image, another dtype or shape.
        """
        view = view or self._whole
        if len(images) == 0:
            self.preprocess(images)
        memories = [
            self.enroll_pixels(
                self.preprocess(images[start : start + BLOCK_IMAGES], view.size_px),
                view=view,
                pooled=pooled,
            )
            for start in range(0, len(images), BLOCK_IMAGES)
        ]
        return ReferenceMemory.cat(memories)

    def enroll_pixels(
        self, pixels: Tensor, *, view: View | None = None, pooled: bool = False
    ) -> ReferenceMemory:
        """As `enroll`, from preprocessed (K, 3, S, S)."""
        view = view or self._whole
        features = self.features(view.cut(pixels), view.wanted_of(len(pixels)))
        return self.remember(features, view=view, pooled=pooled)

    def remember(
        self, features: Features, *, view: View | None = None, pooled: bool = False
    ) -> ReferenceMemory:
        """As `enroll`, from the features of K * T tiles."""
        view = view or self._whole
        kept = view.wanted if self._encoder is None else view.wanted.without_windows()
        return ReferenceMemory(
            fill_banks(features, kept, view.inside_tiles, pooled=pooled),
            len(features.image) // view.num_tiles,
            self.fingerprint,
            view.num_tiles,
        )

    def association_maps(self, features: Features, bank: Bank) -> Mapping[str, AssociationMap]:
        """What the references of `bank` say of features, scale by scale, equation (4)."""
        return self._scoring.association_maps(features, bank)

    def variant(self, preset: Preset, *, language_weight: float) -> Self:
        """This model read in another way, on the same tower, so that it shares its features.

        Raises:
            ModelError: a preset with other windows.
        """
        if preset.scales != self.preset.scales:
            raise ModelError(
                f"preset {preset.name} has windows of {preset.scales} patches",
                f"the features are of {self.preset.scales}",
            )
        other = copy(self)
        other.preset, other.language_weight = preset, language_weight
        other.fingerprint = self.fingerprint._replace(preset=preset.name)
        other._text = self._text.variant(preset)
        other._scoring = self._scoring_of(preset)
        return other

    def _scoring_of(self, preset: Preset) -> Scoring:
        return Scoring(preset, self._tower.grid, self._tower.project, self.device)

    def comparison_tokens(self, memory: ReferenceMemory) -> int:
        """What comparing a crop with `memory` costs, in tokens that do as many multiplications.

        Next to nothing for a few references, but more than the transformer for a thousand.
        """
        tower, tiles_per_bank = self._tower, memory.num_tiles / len(memory.banks)
        products = sum(
            len(windows) * references.numel()
            for bank in memory.banks
            for windows, references in zip(
                (range(tower.grid[0] * tower.grid[1]), *tower.window_patches),
                (bank.patches, *bank.windows),
                strict=True,
            )
        )
        return round(tiles_per_bank * products / tower.products_per_token)

    def adopt(self, memory: ReferenceMemory) -> ReferenceMemory:
        """`memory` on this model's device and in its dtype."""
        return memory.to(self._like)

    def score(
        self,
        images: Pixels | Sequence[Pixels],
        *,
        text: Tensor | None = None,
        memory: ReferenceMemory | None = None,
        view: View | None = None,
    ) -> Result:
        """Scores of uint8 RGB images, (N, H, W, 3) or a sequence of (H, W, 3).

        Args:
            text: (2, D) prototypes; None scores by association with the references alone.
            memory: reference images; None scores by words alone (zero-shot).
            view: how crops are tiled; None: the whole image is the model's input.

        Raises:
            FlawlineError: neither text nor memory.
            ImageError: no image, another dtype or shape.
            MemoryMismatch: a memory of another model, preset or tiling.
        """
        size_px = (view or self._whole).size_px
        return self.score_pixels(
            self.preprocess(images, size_px), text=text, memory=memory, view=view
        )

    def score_pixels(
        self,
        pixels: Tensor,
        *,
        text: Tensor | None = None,
        memory: ReferenceMemory | None = None,
        view: View | None = None,
    ) -> Result:
        """As `score`, from preprocessed (N, 3, S, S)."""
        view = view or self._whole
        features = self.features(view.cut(pixels), view.wanted_of(len(pixels)))
        return self.score_features(features, text=text, memory=memory, view=view)

    @torch.inference_mode()
    def score_features(
        self,
        features: Features,
        *,
        text: Tensor | None = None,
        memory: ReferenceMemory | None = None,
        view: View | None = None,
    ) -> Result:
        """As `score`, from the features of N * T tiles, so that lines can share the tower."""
        view = view or self._whole
        if text is None and memory is None:
            raise FlawlineError(
                "nothing to score against", "give text prototypes, a reference memory, or both"
            )
        terms = []
        if text is not None:
            terms.append((self.language_weight, self._scoring.by_words(features, text, view)))
        if memory is not None:
            memory.require(self.fingerprint, num_tiles=view.num_tiles)
            found = self._scoring.by_references(features, memory, view)
            terms.append((1.0 - self.language_weight, found))
        if len(terms) == 1:
            return terms[0][1]
        return Result(
            sum((weight * term.anomaly_score for weight, term in terms), torch.zeros(())),
            sum((weight * term.anomaly_map for weight, term in terms), torch.zeros(())),
        )


def language_weight_of(settings: ModelSettings) -> float:
    """The share of words that a configuration asks for.

    Left open, it is the paper's, but 0 for `flawline-mini`: its words separate good from bad far
    worse than its references do, and would only blur their score.
    """
    if settings.language_weight is not None:
        return settings.language_weight
    return 0.0 if settings.name == MINI else PAPER_LANGUAGE_WEIGHT


def load_model(settings: ModelSettings) -> WinClip:
    """The model that a configuration asks for.

    Raises:
        ModelError: as `WinClip.load`.
    """
    return WinClip.load(
        settings.name,
        weights=settings.weights,
        pretrained=settings.pretrained,
        preset=settings.preset,
        device=settings.device,
        dtype=settings.dtype,
        language_weight=language_weight_of(settings),
        compiler="inductor" if settings.compile else None,
        association=settings.association,
        association_weights=settings.association_weights,
    )


def _fingerprint(loaded: LoadedClip, encoder: PatchEncoder | None, preset: Preset) -> Fingerprint:
    if encoder is None:
        return Fingerprint(loaded.name, loaded.weights_sha256, preset.name)
    both = f"{loaded.weights_sha256} {encoder.weights_sha256}"
    return Fingerprint(
        f"{loaded.name} + {encoder.name}", sha256(both.encode()).hexdigest(), preset.name
    )


def _require_device(device: str) -> None:
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ModelError(
            f"device {device} is not there ({type(error).__name__})", "set model.device to cpu"
        ) from None
