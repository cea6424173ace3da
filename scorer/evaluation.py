"""Evaluation: what a model finds in labelled pictures, for several choices of references.

What the tower sees of a picture is computed once and used for all numbers of references and all
seeds. Maps are enlarged (bilinear) and masks shrunk (nearest) to the model's input, where pixel
figures are taken.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from contract.errors import ConfigError, ModelError
from contract.image import read_image
from scorer.accuracy import NOT_DEFINED, Figures, Interval, Scores, Truth, figures, intervals
from scorer.dataset import Category, Sample, read_mask
from scorer.features import Features
from scorer.memory import ReferenceMemory
from scorer.winclip import WinClip


@dataclass(frozen=True)
class Judged:
    """A test picture and what was found in it: score, and map (rows, columns) in patches."""

    sample: Sample
    anomaly_score: float
    anomaly_map: Scores


@dataclass(frozen=True)
class Row:
    """Figures of one category with so many references.

    Attributes:
        mean, std: over the choices of references; `std` is NaN for a single one.
        ci95: bootstrap interval, over test pictures, of the mean.
        seconds: median time of a picture in the image tower.
        judged: every test picture, with the first choice of references.
    """

    category: str
    shots: int
    num_seeds: int
    mean: Figures
    std: Figures
    ci95: Interval
    seconds: float
    judged: tuple[Judged, ...]


def evaluate(
    model: WinClip,
    category: Category,
    *,
    shots: Sequence[int],
    seeds: int,
    step: Callable[[], None] = lambda: None,
) -> list[Row]:
    """Rows of `category`, one per number of references; 0 is by words alone.

    Args:
        seeds: choices of references; the first k of one shuffled order are its k-shot choice.
        step: called after each picture that the tower has seen.

    Raises:
        ConfigError: more references wanted than there are.
        ImageError: a picture that cannot be read.
        ModelError: a score that is no number.
    """
    if max(shots) > len(category.train):
        raise ConfigError(
            f"category {category.name} has {len(category.train)} good pictures",
            f"--shots up to {len(category.train)}",
        )
    gallery = _Gallery(model, category, step)
    test = [gallery.look(sample.image) for sample in category.test]
    masks = None
    if category.has_masks:
        masks = np.stack([_mask(sample, model.image_px) for sample in category.test])
    labels = np.array([sample.is_bad for sample in category.test])
    orders = [np.random.default_rng(seed).permutation(len(category.train)) for seed in range(seeds)]
    rows = []
    for count in sorted(shots):
        choices = [order[:count].tolist() for order in orders] if count else [[]]
        results = [_score(model, category, gallery, test, choice) for choice in choices]
        scores = [score for score, _ in results]
        maps = [_enlarged(each, model.image_px) for _, each in results]
        runs = np.array(
            [figures(*run, masks) for run in zip(scores, [labels] * len(scores), maps, strict=True)]
        )
        rows.append(
            Row(
                category.name,
                count,
                len(choices),
                Figures(*runs.mean(axis=0).tolist()),
                Figures(*runs.std(axis=0, ddof=1).tolist()) if len(runs) > 1 else NOT_DEFINED,
                intervals(scores, labels, maps, masks),
                gallery.seconds,
                tuple(
                    Judged(sample, float(score), anomaly_map.numpy())
                    for sample, score, anomaly_map in zip(
                        category.test, scores[0], results[0][1], strict=True
                    )
                ),
            )
        )
    return rows


def mean_figures(rows: Iterable[Row]) -> Figures:
    """Mean over categories of each figure that is defined in any."""
    table = np.array([row.mean for row in rows])
    return Figures(*(_mean(column) for column in table.T))


def _mean(column: Sequence[float]) -> float:
    known = [value for value in column if not math.isnan(value)]
    return float(np.mean(known)) if known else math.nan


class _Gallery:
    """What the tower sees in pictures of one category, each looked at once."""

    def __init__(self, model: WinClip, category: Category, step: Callable[[], None]) -> None:
        self._model = model
        self._category = category
        self._step = step
        self._train: dict[int, Features] = {}
        self._took_s: list[float] = []

    @property
    def seconds(self) -> float:
        return float(np.median(self._took_s))

    def look(self, path: Path) -> Features:
        pixels = self._model.preprocess([read_image(path)])
        start_s = time.perf_counter()
        features = self._model.features(pixels)
        self._took_s.append(time.perf_counter() - start_s)
        self._step()
        return features

    def memory(self, choice: list[int]) -> ReferenceMemory | None:
        """Of the chosen good pictures; None for no choice."""
        for index in choice:
            if index not in self._train:
                self._train[index] = self.look(self._category.train[index])
        if not choice:
            return None
        return self._model.remember(Features.cat([self._train[index] for index in choice]))


def _score(
    model: WinClip, category: Category, gallery: _Gallery, test: list[Features], choice: list[int]
) -> tuple[Scores, Tensor]:
    """Scores (N,) and maps (N, rows, columns) of the test pictures."""
    text, memory = model.text_prototypes(category.name), gallery.memory(choice)
    results = [model.score_features(each, text=text, memory=memory) for each in test]
    scores = torch.cat([result.anomaly_score for result in results])
    if not scores.isfinite().all():
        worst = category.test[int((~scores.isfinite()).nonzero()[0])]
        raise ModelError(f"{worst.image} gets a score that is no number", "verify the weights")
    return scores.cpu().numpy(), torch.cat([result.anomaly_map for result in results]).cpu()


def _enlarged(maps: Tensor, size_px: tuple[int, int]) -> Scores:
    enlarged = F.interpolate(maps[:, None], size=size_px, mode="bilinear", align_corners=False)
    found: Scores = enlarged[:, 0].numpy()
    return found


def _mask(sample: Sample, size_px: tuple[int, int]) -> Truth:
    if sample.mask is None:
        return np.zeros(size_px, dtype=bool)
    mask = torch.from_numpy(read_mask(sample))
    shrunk = F.interpolate(mask[None, None].float(), size=size_px, mode="nearest-exact")
    found: Truth = shrunk[0, 0].numpy() > 0
    return found
