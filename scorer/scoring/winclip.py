"""WinCLIP (zero-shot) and WinCLIP+ (with reference images), as in the paper.

Equation numbers are those of Jeong et al., "WinCLIP: Zero-/Few-Shot Anomaly Classification and
Segmentation", CVPR 2023.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import torch
from torch import Tensor

from contract.config import ModelSettings
from contract.errors import FlawlineError, ModelError
from contract.image import Pixels
from scorer.clip.models import MINI, LoadedClip, load_clip
from scorer.clip.presets import PATCH, PRESETS, Preset
from scorer.clip.text import TextEncoder
from scorer.scoring.memory import Bank, ReferenceMemory, fill_banks, fingerprint_of
from scorer.scoring.scoring import AssociationMap, Result, Scoring
from scorer.windows.backbone import Backbone, Needs
from scorer.windows.features import Features
from scorer.windows.tiling import Tiling

if TYPE_CHECKING:
    from scorer.windows.patches import PatchEncoder

PAPER_LANGUAGE_WEIGHT: Final = 0.5
BLOCK_IMAGES: Final = 16


class WinClip:
    """A CLIP model that scores images against words and reference images.

    Args:
        backbone: pixels to features; shared, not copied.
        words: prompts to prototypes, in the reading of `preset`.
        preset: details that the paper leaves open.
        language_weight: weight of the language term; 0.5 is equation (6).

    Raises:
        ModelError: a preset with other windows than the backbone's.
    """

    def __init__(
        self, backbone: Backbone, words: TextEncoder, *, preset: Preset, language_weight: float
    ) -> None:
        if preset.scales != backbone.scales:
            raise ModelError(
                f"preset {preset.name} has windows of {preset.scales} patches",
                f"the features are of {backbone.scales}",
            )
        self.backbone = backbone
        self.words = words
        self.preset = preset
        self.language_weight = language_weight
        encoder = backbone.encoder
        self.fingerprint = fingerprint_of(
            backbone.name,
            backbone.weights_sha256,
            preset.name,
            None if encoder is None else (encoder.name, encoder.weights_sha256),
        )
        self._scoring = Scoring(preset, backbone.grid, backbone.tower.project, backbone.device)

    @classmethod
    def of(
        cls,
        loaded: LoadedClip,
        *,
        preset: Preset,
        device: str = "cpu",
        dtype: str = "float32",
        language_weight: float = PAPER_LANGUAGE_WEIGHT,
        encoder: PatchEncoder | None = None,
        compiler: str | None = None,
    ) -> Self:
        """The scorer that a loaded CLIP model makes.

        Args:
            device: torch device.
            dtype: compute type of the image tower and of references; `auto`: see `precision`.
            encoder: makes the patch features to compare with references; None: the tower does. Its
                patches are then compared alone, without CLIP's windows.
            compiler: backend of `torch.compile` for the tower, e.g. inductor; None: none.

        Raises:
            ModelError: an image tower that windows cannot be cut from.
        """
        if encoder is not None:
            preset = replace(preset, association_maps=(PATCH,))
        words = TextEncoder(loaded.clip.to(device), loaded.tokenizer, preset)
        backbone = Backbone(
            loaded,
            preset.scales,
            device=device,
            dtype=dtype,
            encoder=encoder,
            compiler=compiler,
        )
        return cls(backbone, words, preset=preset, language_weight=language_weight)

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
            # Here, because it brings timm, seconds of a start that few need.
            from scorer.windows.patches import PatchEncoder

            encoder = PatchEncoder(
                association,
                Path(association_weights),
                grid=loaded.clip.visual.grid_size,
                clip_mean=loaded.mean,
                clip_std=loaded.std,
            )
        return cls.of(
            loaded,
            preset=PRESETS[preset],
            device=device,
            dtype=dtype,
            language_weight=language_weight,
            encoder=encoder,
            compiler=compiler,
        )

    def variant(self, preset: Preset, *, language_weight: float) -> WinClip:
        """This model read in another way, on the same backbone, so that it shares its features.

        Raises:
            ModelError: a preset with other windows.
        """
        return WinClip(
            self.backbone,
            self.words.variant(preset),
            preset=preset,
            language_weight=language_weight,
        )

    def is_sound(self) -> bool:
        """Whether a grey picture gets scores that are numbers, by words and by references."""
        backbone = self.backbone
        features = backbone.features(torch.zeros(1, 3, *backbone.image_px).to(backbone.like))
        text, memory = self.text_prototypes("object"), self.remember(features)
        results = [
            self.score_features(features, text=text),
            self.score_features(features, memory=memory),
        ]
        return all(bool(torch.isfinite(result.anomaly_score).all()) for result in results)

    def needs(self, *, text: Tensor | None, memory: ReferenceMemory | None) -> Needs:
        """What of a picture takes part in a score against words and references."""
        words, references = self._terms(text, memory)
        return self._scoring.needs(words=words is not None, references=references is not None)

    def _terms(
        self, text: Tensor | None, memory: ReferenceMemory | None
    ) -> tuple[Tensor | None, ReferenceMemory | None]:
        """Those of both that have a weight; equation (6) weighs them where there are both."""
        if text is None or memory is None:
            return text, memory
        return (
            text if self.language_weight > 0 else None,
            memory if self.language_weight < 1 else None,
        )

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
        return self.words.prototypes(
            object_name,
            normal_states=tuple(normal_states),
            anomalous_states=tuple(anomalous_states),
        )

    def words_score(self, embeddings: Tensor, text: Tensor) -> Tensor:
        """What words (2, D) say of embeddings (N, D) of length 1, equation (1): float32 (N,)."""
        return self._scoring.words_score(embeddings, text)

    def enroll(
        self,
        images: Pixels | Sequence[Pixels],
        *,
        tiling: Tiling | None = None,
        pooled: bool = False,
    ) -> ReferenceMemory:
        """The memory of K reference images: uint8 RGB, (K, H, W, 3) or a sequence of (H, W, 3).

        Args:
            tiling: how crops are tiled; None: the whole image is the model's input.
            pooled: compare each tile with the references' tiles of all positions, not only its
                own.

        Raises:
            ImageError: no image, another dtype or shape.
        """
        tiling = tiling or self.backbone.whole
        if len(images) == 0:
            self.backbone.preprocess(images)
        memories = [
            self.enroll_pixels(
                self.backbone.preprocess(images[start : start + BLOCK_IMAGES], tiling.size_px),
                tiling=tiling,
                pooled=pooled,
            )
            for start in range(0, len(images), BLOCK_IMAGES)
        ]
        return ReferenceMemory.cat(memories)

    def enroll_pixels(
        self, pixels: Tensor, *, tiling: Tiling | None = None, pooled: bool = False
    ) -> ReferenceMemory:
        """As `enroll`, from preprocessed (K, 3, S, S)."""
        tiling = tiling or self.backbone.whole
        features = self._features(pixels, tiling, self._scoring.needs(words=False, references=True))
        return self.remember(features, tiling=tiling, pooled=pooled)

    def _features(self, pixels: Tensor, tiling: Tiling, needs: Needs) -> Features:
        """Of the N * T tiles of preprocessed crops (N, 3, S, S), what scores are made of."""
        wanted = self.backbone.wanted(tiling, needs).repeat(len(pixels))
        return self.backbone.features(tiling.cut(pixels), wanted, needs=needs)

    def remember(
        self, features: Features, *, tiling: Tiling | None = None, pooled: bool = False
    ) -> ReferenceMemory:
        """As `enroll`, from the features of K * T tiles."""
        tiling = tiling or self.backbone.whole
        kept = tiling.wanted if self.backbone.encoder is None else tiling.wanted.without_windows()
        return ReferenceMemory(
            fill_banks(features, kept, tiling.inside_tiles, pooled=pooled),
            len(features.image) // tiling.num_tiles,
            self.fingerprint,
            tiling.num_tiles,
        )

    def association_maps(self, features: Features, bank: Bank) -> Mapping[str, AssociationMap]:
        """What the references of `bank` say of features, scale by scale, equation (4)."""
        return self._scoring.association_maps(features, bank)

    def comparison_tokens(self, memory: ReferenceMemory) -> int:
        """What comparing a crop with `memory` costs, in tokens that do as many multiplications.

        Next to nothing for a few references, but more than the transformer for a thousand.
        """
        tower, tiles_per_bank = self.backbone.tower, memory.num_tiles / len(memory.banks)
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
        return memory.to(self.backbone.like)

    def score(
        self,
        images: Pixels | Sequence[Pixels],
        *,
        text: Tensor | None = None,
        memory: ReferenceMemory | None = None,
        tiling: Tiling | None = None,
    ) -> Result:
        """Scores of uint8 RGB images, (N, H, W, 3) or a sequence of (H, W, 3).

        Args:
            text: (2, D) prototypes; None scores by association with the references alone.
            memory: reference images; None scores by words alone (zero-shot).
            tiling: how crops are tiled; None: the whole image is the model's input.

        Raises:
            FlawlineError: neither text nor memory.
            ImageError: no image, another dtype or shape.
            MemoryMismatch: a memory of another model, preset or tiling.
        """
        size_px = (tiling or self.backbone.whole).size_px
        return self.score_pixels(
            self.backbone.preprocess(images, size_px), text=text, memory=memory, tiling=tiling
        )

    def score_pixels(
        self,
        pixels: Tensor,
        *,
        text: Tensor | None = None,
        memory: ReferenceMemory | None = None,
        tiling: Tiling | None = None,
    ) -> Result:
        """As `score`, from preprocessed (N, 3, S, S)."""
        tiling = tiling or self.backbone.whole
        features = self._features(pixels, tiling, self.needs(text=text, memory=memory))
        return self.score_features(features, text=text, memory=memory, tiling=tiling)

    @torch.inference_mode()
    def score_features(
        self,
        features: Features,
        *,
        text: Tensor | None = None,
        memory: ReferenceMemory | None = None,
        tiling: Tiling | None = None,
    ) -> Result:
        """As `score`, from the features of N * T tiles, so that lines can share the tower."""
        tiling = tiling or self.backbone.whole
        if text is None and memory is None:
            raise FlawlineError(
                "nothing to score against", "give text prototypes, a reference memory, or both"
            )
        if memory is not None:
            memory.require(self.fingerprint, num_tiles=tiling.num_tiles)
        words, references = self._terms(text, memory)
        terms = []
        if words is not None:
            terms.append((self.language_weight, self._scoring.by_words(features, words, tiling)))
        if references is not None:
            found = self._scoring.by_references(features, references, tiling)
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


def _require_device(device: str) -> None:
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ModelError(
            f"device {device} is not there ({type(error).__name__})", "set model.device to cpu"
        ) from None
