"""WinCLIP and WinCLIP+ written down from the paper, one window and one number at a time.

Slow on purpose. It shares no code with `scorer`: the towers are open_clip's own modules, the text
is encoded at full length, and every mean, minimum and softmax is a loop over Python floats.
Equation numbers are those of Jeong et al., CVPR 2023.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

SMALLEST_TERM = 1e-6
PROMPTS_AT_ONCE = 64

Vector = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Words:
    """The compositional prompt ensemble: what stands for a good part and for a bad one."""

    templates: Sequence[str]
    normal: Sequence[str]
    anomalous: Sequence[str]
    normalise_prompts: bool


@dataclass(frozen=True)
class Seen:
    """Features of one image.

    Attributes:
        image: class token of the whole image.
        patches: one vector per patch, row by row.
        windows: per scale, the vector of each window by its top left patch (row, column).
    """

    image: Vector
    patches: list[Vector]
    windows: dict[int, dict[tuple[int, int], Vector]]


@dataclass(frozen=True)
class Scored:
    """Image score and map (rows, columns)."""

    score: float
    map: npt.NDArray[np.float64]


def unit(vector: Iterable[float]) -> Vector:
    """`vector` at length 1."""
    values = np.array(list(vector), dtype=np.float64)
    return values / math.sqrt(sum(float(value) ** 2 for value in values))


def harmonic_mean(terms: Sequence[float]) -> float:
    """Of positive terms; smaller ones than 1e-6 count as 1e-6."""
    total = 0.0
    for term in terms:
        total += 1.0 / max(term, SMALLEST_TERM)
    return len(terms) / total


@torch.inference_mode()
def see(
    visual: Any, pixels: Tensor, scales: Sequence[int], *, windows_at_once: int = 1
) -> list[Seen]:
    """Features of preprocessed images (N, 3, H, W); windows one after another, equation (2).

    Args:
        windows_at_once: windows that stand side by side in one batch, for large models.
    """
    rows, columns = visual.grid_size
    patches = visual.conv1(pixels).flatten(2).transpose(1, 2) + visual.positional_embedding[1:]
    cls = (visual.class_embedding + visual.positional_embedding[0]).expand(len(pixels), 1, -1)

    def tower(sequences: list[list[int]]) -> Tensor:
        """All tokens after `ln_post`, when only the class token and some patches go in."""
        tokens = torch.cat([torch.cat([cls, patches[:, kept]], dim=1) for kept in sequences])
        out: Tensor = visual.ln_post(visual.transformer(visual.ln_pre(tokens)))
        return out.unflatten(0, (len(sequences), len(pixels)))  # type: ignore[no-any-return,no-untyped-call]

    whole = tower([list(range(rows * columns))])[0]
    images = (whole[:, 0] @ visual.proj).numpy()
    windows: dict[int, dict[tuple[int, int], npt.NDArray[np.float32]]] = {}
    for scale in scales:
        kept = {
            (top, left): [
                row * columns + column
                for row in range(top, top + scale)
                for column in range(left, left + scale)
            ]
            for top in range(rows - scale + 1)
            for left in range(columns - scale + 1)
        }
        windows[scale] = {}
        places = list(kept)
        for start in range(0, len(places), windows_at_once):
            group = places[start : start + windows_at_once]
            tokens = tower([kept[place] for place in group])
            for place, found in zip(group, tokens, strict=True):
                windows[scale][place] = (found[:, 0] @ visual.proj).numpy()
    return [
        Seen(
            unit(images[number]),
            [unit(token) for token in whole[number, 1:].numpy()],
            {
                scale: {place: unit(vectors[number]) for place, vectors in found.items()}
                for scale, found in windows.items()
            },
        )
        for number in range(len(pixels))
    ]


@torch.inference_mode()
def read(
    clip: Any, tokenizer: Callable[[list[str]], Tensor], words: Words, name: str
) -> tuple[Vector, Vector]:
    """The normal and the anomalous prototype of the object `name` (section 4.1)."""
    prototypes = []
    for states in (words.normal, words.anomalous):
        prompts = [
            template.replace("{}", state.replace("{}", name))
            for state in states
            for template in words.templates
        ]
        embeddings: list[Vector] = []
        for start in range(0, len(prompts), PROMPTS_AT_ONCE):
            tokens = tokenizer(prompts[start : start + PROMPTS_AT_ONCE])
            embeddings += list(clip.encode_text(tokens).numpy().astype(np.float64))
        if words.normalise_prompts:
            embeddings = [unit(embedding) for embedding in embeddings]
        total = np.zeros(len(embeddings[0]))
        for embedding in embeddings:
            total += embedding
        prototypes.append(unit(total / len(embeddings)))
    return prototypes[0], prototypes[1]


def language(vector: Vector, text: tuple[Vector, Vector], tau: float) -> float:
    """ascore0: how anomalous `vector` is by words, equation (1)."""
    normal, anomalous = (math.exp(float(vector @ prototype) / tau) for prototype in text)
    return anomalous / (normal + anomalous)


def associate(vector: Vector, references: Sequence[Vector]) -> float:
    """Distance to the nearest reference, equation (4)."""
    nearest = math.inf
    for reference in references:
        nearest = min(nearest, 0.5 * (1.0 - float(vector @ reference)))
    return max(0.0, nearest)


def spread(
    scores: dict[tuple[int, int], float], scale: int, grid: tuple[int, int]
) -> npt.NDArray[np.float64]:
    """Window scores to patches: harmonic mean of the windows that hold each, equation (3)."""
    rows, columns = grid
    out = np.zeros(grid)
    for row in range(rows):
        for column in range(columns):
            out[row, column] = harmonic_mean(
                [
                    score
                    for (top, left), score in scores.items()
                    if top <= row < top + scale and left <= column < left + scale
                ]
            )
    return out


def zero_shot(seen: Seen, text: tuple[Vector, Vector], tau: float, grid: tuple[int, int]) -> Scored:
    """WinCLIP: harmonic mean over the scales and the image."""
    image = language(seen.image, text, tau)
    maps = [np.full(grid, image)]
    for scale, vectors in seen.windows.items():
        scores = {place: language(vector, text, tau) for place, vector in vectors.items()}
        maps.append(spread(scores, scale, grid))
    out = np.zeros(grid)
    for row in range(grid[0]):
        for column in range(grid[1]):
            out[row, column] = harmonic_mean([each[row, column] for each in maps])
    return Scored(image, out)


def few_shot(seen: Seen, references: Sequence[Seen], grid: tuple[int, int]) -> Scored:
    """The association map of equation (5) and its maximum."""
    memory = [vector for reference in references for vector in reference.patches]
    out = np.array([associate(vector, memory) for vector in seen.patches]).reshape(grid)
    for scale, vectors in seen.windows.items():
        memory = [
            vector for reference in references for vector in reference.windows[scale].values()
        ]
        scores = {place: associate(vector, memory) for place, vector in vectors.items()}
        out = out + spread(scores, scale, grid)
    out = out / (1 + len(seen.windows))
    return Scored(float(out.max()), out)


def both(words: Scored, references: Scored) -> Scored:
    """WinCLIP+: the fused map, and the image score of equation (6)."""
    return Scored((words.score + references.score) / 2, (words.map + references.map) / 2)
