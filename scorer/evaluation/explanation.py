"""Why a picture has its score: which term, which window, which words, which reference.

The score is a sum (equation (6)): the words' share is that of the whole image; the references'
share is the highest patch of the mean of three maps (equation (5)). So the explanation names that
patch, what each map says there, the most anomalous window of each scale that covers it, and the
nearest patch of the references. By words alone the score is that of the image, and the place shown
is where the words find the map highest.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from contract.errors import FlawlineError
from contract.image import Pixels
from scorer.clip.presets import PATCH, window
from scorer.scoring.maps import unit
from scorer.scoring.memory import ReferenceMemory
from scorer.scoring.winclip import WinClip
from scorer.windows.geometry import window_patches


@dataclass(frozen=True)
class Box:
    """A square of patches of the model's grid: its first row and column, and its side."""

    row: int
    column: int
    side: int


@dataclass(frozen=True)
class Term:
    """One addend of the score.

    Attributes:
        name: `words`, `patch`, `window-2` or `window-3`.
        weight: its share in the score.
        value: what it says at the place that made the score, in [0, 1]; weight * value is added.
        anomaly_map: float32 (rows, columns).
        window: the most anomalous window of this scale that covers the place; None for words.
    """

    name: str
    weight: float
    value: float
    anomaly_map: Tensor
    window: Box | None = None

    @property
    def contribution(self) -> float:
        return self.weight * self.value


@dataclass(frozen=True)
class Nearest:
    """The reference patch that is most like the patch that made the score."""

    reference: int
    box: Box
    similarity: float


@dataclass(frozen=True)
class Explanation:
    """Why a picture has its score.

    Attributes:
        anomaly_score: the sum of the terms' contributions.
        place: the patch that made it.
        terms: the largest contribution first.
        prompt: of the anomalous prompts the one most like the image; None without words.
        nearest: None without references.
    """

    anomaly_score: float
    place: Box
    terms: tuple[Term, ...]
    prompt: str | None
    nearest: Nearest | None


@torch.inference_mode()
def explain(
    model: WinClip,
    image: Pixels,
    *,
    object_name: str | None,
    memory: ReferenceMemory | None,
) -> Explanation:
    """The explanation of the score of `image`, uint8 RGB (H, W, 3), squashed to the model's input.

    Args:
        object_name: what the words are about; None: the references alone.
        memory: of whole references (one tile, all features kept); None: the words alone.

    Raises:
        FlawlineError: neither words nor references, or references in tiles or thinned out.
        ImageError: another dtype or shape.
        MemoryMismatch: a memory of another model or preset.
    """
    text = None if object_name is None else model.text_prototypes(object_name)
    features = model.backbone.features(model.backbone.preprocess([image]))
    result = model.score_features(features, text=text, memory=memory)
    grid = (result.anomaly_map.shape[1], result.anomaly_map.shape[2])
    terms, nearest = [], None
    both = text is not None and memory is not None
    place = int(result.anomaly_map[0].argmax())
    if memory is not None:
        if len(memory.banks[0].patches) != memory.num_references * grid[0] * grid[1]:
            raise FlawlineError("the references are in tiles or thinned out", "give whole ones")
        bank, share = memory.banks[0], 1.0 - model.language_weight if both else 1.0
        sides = {PATCH: 1} | {window(side): side for side in model.preset.scales}
        found = model.association_maps(features, bank)
        place = int(torch.stack([each.anomaly_map for each in found.values()]).mean(dim=0).argmax())
        terms = [
            Term(
                name,
                share / len(found),
                float(each.anomaly_map[0, place]),
                each.anomaly_map[0].reshape(grid).cpu(),
                _most_anomalous(each.scores[0], grid, sides[name], place),
            )
            for name, each in found.items()
        ]
        nearest = _nearest(features.patches[0, place], bank.patches, grid)
    prompt = None
    if text is not None and object_name is not None:
        words = model.score_features(features, text=text)
        weight = model.language_weight if both else 1.0
        score = float(words.anomaly_score)
        terms.append(Term("words", weight, score, words.anomaly_map[0].cpu()))
        prompt = model.words.nearest_prompt(features.image[0], object_name)
    terms.sort(key=lambda term: -term.contribution)
    row, column = divmod(place, grid[1])
    return Explanation(
        float(result.anomaly_score), Box(row, column, 1), tuple(terms), prompt, nearest
    )


def _most_anomalous(scores: Tensor, grid: tuple[int, int], side: int, place: int) -> Box:
    """Of the windows that cover patch `place` the one with the highest score."""
    windows = window_patches(grid, side)
    covers = (windows == place).any(dim=1).to(scores.device)
    best = int(scores.masked_fill(~covers, -1.0).argmax())
    row, column = divmod(int(windows[best, 0]), grid[1])
    return Box(row, column, side)


def _nearest(patch: Tensor, references: Tensor, grid: tuple[int, int]) -> Nearest:
    similarity = unit(references) @ unit(patch)
    best = int(similarity.argmax())
    reference, inside = divmod(best, grid[0] * grid[1])
    row, column = divmod(inside, grid[1])
    return Nearest(reference, Box(row, column, 1), float(similarity[best]))
