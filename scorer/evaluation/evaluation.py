"""Evaluation: what a model finds in labelled pictures, for several choices of references.

What the tower sees of a picture is computed once and used for all numbers of references and all
seeds. Maps are enlarged (bilinear) and masks shrunk (nearest) to the model's input, where pixel
figures are taken.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from contract.errors import ConfigError, ModelError
from scorer.evaluation.accuracy import NOT_DEFINED, Figures, Interval, Scores, figures, intervals
from scorer.evaluation.dataset import Category, Sample
from scorer.evaluation.gallery import Gallery
from scorer.scoring.winclip import WinClip


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
    require_references(category, shots)
    return judge(model, Gallery(model, category, step), shots=shots, seeds=seeds)


def require_references(category: Category, shots: Sequence[int]) -> None:
    """Refuse more references than there are.

    Raises:
        ConfigError: telling how many there are.
    """
    if max(shots) > len(category.train):
        raise ConfigError(
            f"category {category.name} has {len(category.train)} good pictures",
            f"--shots up to {len(category.train)}",
        )


def judge(
    model: WinClip,
    gallery: Gallery,
    *,
    shots: Sequence[int],
    seeds: int,
    multi_crop: bool = False,
) -> list[Row]:
    """As `evaluate`, of pictures that were looked at; `model` may be a variant of the looker's.

    Args:
        multi_crop: the words' score of a picture is the mean over ten crops of it.
    """
    category, labels, masks = gallery.category, gallery.labels, gallery.masks
    orders = [np.random.default_rng(seed).permutation(len(category.train)) for seed in range(seeds)]
    rows = []
    for count in sorted(shots):
        choices = [order[:count].tolist() for order in orders] if count else [[]]
        results = [_score(model, gallery, choice, multi_crop=multi_crop) for choice in choices]
        scores = [score for score, _ in results]
        maps = [_enlarged(each, model.backbone.image_px) for _, each in results]
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


def _score(
    model: WinClip, gallery: Gallery, choice: list[int], *, multi_crop: bool
) -> tuple[Scores, Tensor]:
    """Scores (N,) and maps (N, rows, columns) of the test pictures."""
    category = gallery.category
    text = model.text_prototypes(category.name)
    memory = model.remember(gallery.references(choice)) if choice else None
    results = [model.score_features(each, text=text, memory=memory) for each in gallery.test]
    scores = torch.cat([result.anomaly_score for result in results])
    if multi_crop:
        share = 1.0 if memory is None else model.language_weight
        whole = torch.cat([model.words_score(each.image, text) for each in gallery.test])
        closer = torch.stack([model.words_score(each, text).mean() for each in gallery.crops])
        scores = scores + share * (closer - whole)
    if not scores.isfinite().all():
        worst = category.test[int((~scores.isfinite()).nonzero()[0])]
        raise ModelError(f"{worst.image} gets a score that is no number", "verify the weights")
    return scores.cpu().numpy(), torch.cat([result.anomaly_map for result in results]).cpu()


def _enlarged(maps: Tensor, size_px: tuple[int, int]) -> Scores:
    enlarged = F.interpolate(maps[:, None], size=size_px, mode="bilinear", align_corners=False)
    found: Scores = enlarged[:, 0].numpy()
    return found
