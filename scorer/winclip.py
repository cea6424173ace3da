"""WinCLIP (zero-shot) and WinCLIP+ (with reference images), as in the paper.

Equation numbers are those of Jeong et al., "WinCLIP: Zero-/Few-Shot Anomaly Classification and
Segmentation", CVPR 2023.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple, Self

import torch
from torch import Tensor

from contract.config import Model as ModelSettings
from contract.errors import FlawlineError, ModelError
from scorer.maps import association, harmonic_scales, harmonic_windows, language_score
from scorer.memory import Fingerprint, ReferenceMemory
from scorer.models import MINI, LoadedClip, load_clip
from scorer.pixels import Picture, Preprocessor
from scorer.presets import PRESETS, Preset
from scorer.text import TextEncoder
from scorer.tower import Features, ImageTower
from scorer.windows import coverage

DTYPES: Final = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}


PAPER_LANGUAGE_WEIGHT: Final = 0.5


class Result(NamedTuple):
    """Scores of N images, in [0, 1]; higher is more anomalous.

    Attributes:
        anomaly_score: float32 (N,).
        anomaly_map: float32 (N, rows, columns) in patches.
    """

    anomaly_score: Tensor
    anomaly_map: Tensor


class WinClip:
    """A CLIP model that scores images against words and reference images.

    Args:
        loaded: the CLIP model.
        preset: details that the paper leaves open.
        device: torch device.
        dtype: compute type of the image tower and of association.
        language_weight: weight of the language term; 0.5 is equation (6).

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
    ) -> None:
        self.preset = preset
        self.language_weight = language_weight
        self.fingerprint = Fingerprint(loaded.name, loaded.weights_sha256, preset.name)
        self._text = TextEncoder(loaded.clip.to(device), loaded.tokenizer, preset)
        self._tower = ImageTower(loaded.clip.visual.to(DTYPES[dtype]), preset.scales).to(device)
        self._preprocess = Preprocessor(self._tower.image_px, loaded.mean, loaded.std)
        self._like = torch.empty(0, dtype=DTYPES[dtype], device=device)
        self._coverage = [coverage(self._tower.grid, scale).to(device) for scale in preset.scales]

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
    ) -> Self:
        """A model by name; see `models.load_clip` for where its weights come from.

        Raises:
            ModelError: unknown name, preset, dtype or device, or weights that do not fit.
        """
        if preset not in PRESETS:
            raise ModelError(f"unknown preset {preset!r}", f"one of {', '.join(PRESETS)}")
        if dtype not in DTYPES:
            raise ModelError(f"unknown dtype {dtype!r}", f"one of {', '.join(DTYPES)}")
        if device.startswith("cuda") and not torch.cuda.is_available():
            raise ModelError(f"device {device} is not there", "set model.device to cpu")
        loaded = load_clip(
            name, weights=None if weights is None else Path(weights), pretrained=pretrained
        )
        return cls(
            loaded,
            preset=PRESETS[preset],
            device=device,
            dtype=dtype,
            language_weight=language_weight,
        )

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

    def is_sound(self) -> bool:
        """Whether a grey picture gets a score that is a number."""
        grey = torch.zeros(1, 3, *self.image_px).to(self._like)
        score = self.score_pixels(grey, text=self.text_prototypes("object")).anomaly_score
        return bool(torch.isfinite(score).all())

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

    def preprocess(self, images: Picture | Sequence[Picture]) -> Tensor:
        """(N, 3, H, W) at the model's input size, from uint8 RGB pictures of any sizes.

        Raises:
            ImageError: no image, another dtype or shape.
        """
        return self._preprocess(images, self._like)

    @torch.inference_mode()
    def features(self, pixels: Tensor) -> Features:
        """Image, patch and window features of preprocessed (N, 3, H, W)."""
        features: Features = self._tower(pixels.to(self._like))
        return features

    def enroll(self, images: Picture | Sequence[Picture]) -> ReferenceMemory:
        """The memory of K reference images: uint8 RGB, (K, H, W, 3) or a sequence of (H, W, 3).

        Raises:
            ImageError: no image, another dtype or shape.
        """
        return self.enroll_pixels(self.preprocess(images))

    def enroll_pixels(self, pixels: Tensor) -> ReferenceMemory:
        """The memory of K preprocessed reference images (K, 3, H, W)."""
        features = self.features(pixels)
        return ReferenceMemory(
            features.patches.flatten(0, 1),
            tuple(scale.flatten(0, 1) for scale in features.windows),
            len(pixels),
            self.fingerprint,
        )

    def adopt(self, memory: ReferenceMemory) -> ReferenceMemory:
        """`memory` on this model's device and in its dtype."""
        return ReferenceMemory(
            memory.patches.to(self._like),
            tuple(scale.to(self._like) for scale in memory.windows),
            memory.num_references,
            memory.fingerprint,
        )

    def score(
        self,
        images: Picture | Sequence[Picture],
        *,
        text: Tensor | None = None,
        memory: ReferenceMemory | None = None,
    ) -> Result:
        """Scores of uint8 RGB images, (N, H, W, 3) or a sequence of (H, W, 3).

        Args:
            text: (2, D) prototypes; None scores by association with the references alone.
            memory: reference images; None scores by words alone (zero-shot).

        Raises:
            FlawlineError: neither text nor memory.
            ImageError: no image, another dtype or shape.
            MemoryMismatch: a memory of another model or preset.
        """
        return self.score_pixels(self.preprocess(images), text=text, memory=memory)

    def score_pixels(
        self, pixels: Tensor, *, text: Tensor | None = None, memory: ReferenceMemory | None = None
    ) -> Result:
        """As `score`, from preprocessed (N, 3, H, W)."""
        return self.score_features(self.features(pixels), text=text, memory=memory)

    @torch.inference_mode()
    def score_features(
        self,
        features: Features,
        *,
        text: Tensor | None = None,
        memory: ReferenceMemory | None = None,
    ) -> Result:
        """As `score`, from features, so that lines can share one pass of the tower."""
        if text is None and memory is None:
            raise FlawlineError(
                "nothing to score against", "give text prototypes, a reference memory, or both"
            )
        terms = []
        if text is not None:
            terms.append((self.language_weight, self._zero_shot(features, text)))
        if memory is not None:
            memory.require(self.fingerprint)
            terms.append((1.0 - self.language_weight, self._few_shot(features, memory)))
        if len(terms) == 1:
            result = terms[0][1]
        else:
            result = Result(
                sum((weight * term.anomaly_score for weight, term in terms), torch.zeros(())),
                sum((weight * term.anomaly_map for weight, term in terms), torch.zeros(())),
            )
        return Result(
            result.anomaly_score.float(),
            result.anomaly_map.float().reshape(-1, *self._tower.grid),
        )

    def _zero_shot(self, features: Features, text: Tensor) -> Result:
        """Words alone: equations (1) and (3), harmonic over scales including the image's."""
        tau = self.preset.temperature
        image = language_score(features.image, text, temperature=tau)
        maps = [image[:, None].expand(-1, self._coverage[0].shape[1])] + [
            harmonic_windows(language_score(scale, text, temperature=tau), weights)
            for scale, weights in zip(features.windows, self._coverage, strict=True)
        ]
        return Result(image, harmonic_scales(maps))

    def _few_shot(self, features: Features, memory: ReferenceMemory) -> Result:
        """References alone: equations (4) and (5); the image score is the map's maximum."""
        maps = [association(features.patches, memory.patches)] + [
            harmonic_windows(association(scale, references), weights)
            for scale, references, weights in zip(
                features.windows, memory.windows, self._coverage, strict=True
            )
        ]
        mean = torch.stack(maps).mean(dim=0)
        return Result(mean.amax(dim=-1), mean)


def load_model(settings: ModelSettings) -> WinClip:
    """The model that a configuration asks for.

    Left open, the language weight is the paper's, but 0 for `flawline-mini`: its words separate
    good from bad far worse than its references do, and would only blur their score.

    Raises:
        ModelError: as `WinClip.load`.
    """
    weight = settings.language_weight
    if weight is None:
        weight = 0.0 if settings.name == MINI else PAPER_LANGUAGE_WEIGHT
    return WinClip.load(
        settings.name,
        weights=settings.weights,
        pretrained=settings.pretrained,
        preset=settings.preset,
        device=settings.device,
        dtype=settings.dtype,
        language_weight=weight,
    )
