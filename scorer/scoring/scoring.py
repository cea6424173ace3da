"""Features to scores: what words say and what references say, equations (1) and (3) to (5)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from scorer.clip.presets import IMAGE, PATCH, Preset, window
from scorer.scoring.equations import AVERAGES, association, likeness_score, softmax_score
from scorer.scoring.memory import Bank, ReferenceMemory
from scorer.windows.features import Features
from scorer.windows.geometry import coverage
from scorer.windows.tiling import Tiling


class Result(NamedTuple):
    """Scores of N images, in [0, 1]; higher is more anomalous.

    Attributes:
        anomaly_score: float32 (N,).
        anomaly_map: float32 (N, rows, columns) in patches; NaN outside the region of interest.
    """

    anomaly_score: Tensor
    anomaly_map: Tensor


class AssociationMap(NamedTuple):
    """What references say at one scale: of each window or patch (N, W), and of patches (N, P)."""

    scores: Tensor
    anomaly_map: Tensor


class Scoring:
    """How features of the tower become scores, in the reading of one preset.

    Args:
        preset: what takes part, and how it is averaged.
        grid: patches of the model's input, down and across.
        project: patch features to the space of words, for presets that ask words about patches.
        device: where features will be.
    """

    def __init__(
        self,
        preset: Preset,
        grid: tuple[int, int],
        project: Callable[[Tensor], Tensor],
        device: torch.device,
    ) -> None:
        self._preset = preset
        self._num_patches = grid[0] * grid[1]
        self._project = project
        self._coverage = {
            window(scale): coverage(grid, scale).to(device) for scale in preset.scales
        }
        self._over_windows, self._over_scales = AVERAGES[preset.average]

    def needs(self, *, words: bool, references: bool) -> frozenset[str]:
        """What of a picture takes part in scores by words, by references, or by both."""
        scales = {IMAGE, *self._preset.language_maps} if words else set()
        return frozenset(scales.union(self._preset.association_maps if references else ()))

    def by_words(self, features: Features, text: Tensor, tiling: Tiling) -> Result:
        """Words alone: equations (1) and (3).

        Of several tiles the most anomalous speaks for the image.
        """
        embeddings = self._named(features.image[:, None], features.patches, features.windows)
        maps = []
        for name in self._preset.language_maps:
            seen = embeddings[name]
            if name == PATCH:
                projected = self._project(seen.flatten(0, 1))
                seen = F.normalize(projected, dim=-1).reshape(*seen.shape[:2], -1)
            maps.append(self._to_patches(name, self.words_score(seen, text)))
        anomaly_map = tiling.stitch(self._over_scales(maps))
        score = self.words_score(features.image, text).reshape(-1, tiling.num_tiles).amax(dim=1)
        # A window without a number is no less an error because the image has one.
        broken = tiling.highest(anomaly_map).isnan()
        return Result(score.masked_fill(broken, math.nan), anomaly_map)

    def words_score(self, embeddings: Tensor, text: Tensor) -> Tensor:
        """What words say of embeddings (..., D), equation (1): float32 (...), in [0, 1]."""
        if self._preset.two_class:
            return softmax_score(embeddings, text, temperature=self._preset.temperature)
        return likeness_score(embeddings, text[0])

    def by_references(self, features: Features, memory: ReferenceMemory, tiling: Tiling) -> Result:
        """References alone: equations (4) and (5); the image score is the map's maximum."""
        num_banks = len(memory.banks)
        parts = []
        for number, bank in enumerate(memory.banks):
            maps = self.association_maps(features.take(slice(number, None, num_banks)), bank)
            parts.append(torch.stack([each.anomaly_map for each in maps.values()]).mean(dim=0))
        anomaly_map = tiling.stitch(torch.stack(parts, dim=1).flatten(0, 1))
        return Result(tiling.highest(anomaly_map), anomaly_map)

    def association_maps(self, features: Features, bank: Bank) -> Mapping[str, AssociationMap]:
        """Of each scale that takes part in equation (5): the distances and their map."""
        seen = self._named(features.image[:, None], features.patches, features.windows)
        known = self._named(features.image, bank.patches, bank.windows)
        found = {}
        for name in self._preset.association_maps:
            scores = association(seen[name], known[name])
            found[name] = AssociationMap(scores, self._to_patches(name, scores))
        return found

    def _named(
        self, image: Tensor, patches: Tensor, windows: tuple[Tensor, ...]
    ) -> dict[str, Tensor]:
        scales = map(window, self._preset.scales)
        return {IMAGE: image, PATCH: patches, **dict(zip(scales, windows, strict=True))}

    def _to_patches(self, name: str, scores: Tensor) -> Tensor:
        """(N, P) of the scores of an image (N, 1), of patches (N, P) or of windows (N, W)."""
        if name in self._coverage:
            return self._over_windows(scores, self._coverage[name])
        return scores.expand(-1, self._num_patches)
