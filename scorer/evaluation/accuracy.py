"""How good scores and maps are: the figures of the field, and how sure they are.

Image figures are scikit-learn's. PRO, which no maintained library has alone, is the area under the
per-region overlap curve up to 30 % false positives (Bergmann et al., "The MVTec Anomaly Detection
Dataset", IJCV 2021); regions are 8-connected, as in the authors' own evaluation.

Where a figure is not defined (AUROC without good or without bad examples, PRO without a mask) it
is NaN, never 0 or 1.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

Floats = npt.NDArray[np.float64]
Scores = npt.NDArray[np.float32]
Truth = npt.NDArray[np.bool_]

MAX_FALSE_POSITIVES: Final = 0.3
NUM_DRAWS: Final = 1000
NUM_BINS: Final = 1024
EIGHT_CONNECTED: Final = np.ones((3, 3), dtype=int)


class Figures(NamedTuple):
    """Each in [0, 1], or NaN where it is not defined."""

    image_auroc: float
    image_aupr: float
    image_f1_max: float
    pixel_auroc: float
    pixel_pro: float
    pixel_f1_max: float


NOT_DEFINED: Final = Figures(*[math.nan] * 6)


def figures(scores: Scores, labels: Truth, maps: Scores, masks: Truth | None) -> Figures:
    """All figures of N images.

    Args:
        scores: (N,).
        labels: (N,), True is bad.
        maps: (N, H, W).
        masks: (N, H, W), True is defective; None: there are none, pixel figures are NaN.
    """
    pixels = (math.nan,) * 3
    if masks is not None:
        flat, truth = maps.ravel(), masks.ravel()
        pixels = (auroc(flat, truth), pro(maps, masks), f1_max(flat, truth))
    return Figures(auroc(scores, labels), aupr(scores, labels), f1_max(scores, labels), *pixels)


def auroc(scores: Scores, labels: Truth) -> float:
    """Area under the receiver operating characteristic; NaN with one class alone."""
    if labels.all() or not labels.any():
        return math.nan
    return float(roc_auc_score(labels, scores))


def aupr(scores: Scores, labels: Truth) -> float:
    """Average precision; NaN without bad examples."""
    return float(average_precision_score(labels, scores)) if labels.any() else math.nan


def f1_max(scores: Scores, labels: Truth) -> float:
    """F1 at the threshold that suits it best; NaN without bad examples."""
    return _best_f1(scores, labels)[0] if labels.any() else math.nan


def best_threshold(scores: Scores, labels: Truth) -> float:
    """The lowest score that is bad where F1 is highest; NaN without bad examples."""
    return _best_f1(scores, labels)[1] if labels.any() else math.nan


def _best_f1(scores: Scores, labels: Truth) -> tuple[float, float]:
    """The highest F1, and the threshold that has it."""
    # The last point, of precision 1 without a positive, has no threshold.
    precision, recall, thresholds = precision_recall_curve(labels, scores)
    total = precision + recall
    f1 = 2 * precision * recall / np.where(total == 0, 1, total)
    best = int(np.argmax(f1[:-1]))
    return float(f1[best]), float(thresholds[best])


def pro(maps: Scores, masks: Truth, *, max_false_positives: float = MAX_FALSE_POSITIVES) -> float:
    """Per-region overlap, integrated over the false positive rate up to a limit, and divided by it.

    Args:
        maps, masks: (N, H, W).

    Returns:
        [0, 1]; NaN without a region or without a good pixel.
    """
    shares = region_shares(masks)
    num_good = masks.size - np.count_nonzero(masks)
    if not num_good or not masks.any():
        return math.nan
    order = np.argsort(-maps, axis=None, kind="stable")
    ranked = maps.ravel()[order]
    overlap = np.cumsum(shares.ravel()[order])
    overlap /= overlap[-1]
    false_positives = np.cumsum(~masks.ravel()[order]) / num_good
    ends = np.append(ranked[1:] != ranked[:-1], True)
    return float(
        _area(
            np.append(0.0, false_positives[ends])[None],
            np.append(0.0, overlap[ends])[None],
            limit=max_false_positives,
        )[0]
    )


def region_shares(masks: Truth) -> Floats:
    """(N, H, W): what each pixel is of its own region, 1 / size; 0 outside."""
    shares = np.zeros(masks.shape)
    for mask, share in zip(masks, shares, strict=True):
        regions, num_regions = ndimage.label(mask, structure=EIGHT_CONNECTED)
        if num_regions:
            sizes = np.bincount(regions.ravel())
            share[mask] = 1.0 / sizes[regions[mask]]
    return shares


class Interval(NamedTuple):
    """A 95 % bootstrap interval of each figure: (low, high)."""

    low: Figures
    high: Figures


def intervals(
    scores: list[Scores], labels: Truth, maps: list[Scores], masks: Truth | None, *, seed: int = 0
) -> Interval:
    """Percentile bootstrap over images, of figures that are means over runs.

    Pixel figures are taken from histograms of the maps with `NUM_BINS` bins, half of them with
    equal counts of defective pixels, half of good ones; draws in which a figure is not defined
    are left out.

    Args:
        scores, maps: of each run, as for `figures`.
    """
    random = np.random.default_rng(seed)
    num = len(labels)
    draws = random.multinomial(num, np.full(num, 1 / num), size=NUM_DRAWS).astype(np.float64)
    runs = []
    for number, run in enumerate(scores):
        columns = [*_image_draws(draws, run, labels)]
        if masks is None:
            columns += [np.full(NUM_DRAWS, math.nan)] * 3
        else:
            columns += [*_pixel_draws(draws, maps[number], masks)]
        runs.append(np.stack(columns))
    means = np.mean(runs, axis=0)
    low, high = (
        Figures(*(float(_percentile(row, share)) for row in means)) for share in (2.5, 97.5)
    )
    return Interval(low, high)


def _percentile(values: Floats, share: float) -> float:
    known = values[~np.isnan(values)]
    return float(np.percentile(known, share)) if len(known) else math.nan


def _image_draws(draws: Floats, scores: Scores, labels: Truth) -> tuple[Floats, Floats, Floats]:
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.diff(scores[order]) != 0, True)
    bad = np.cumsum(draws[:, order] * labels[order], axis=1)[:, ends]
    good = np.cumsum(draws[:, order] * ~labels[order], axis=1)[:, ends]
    return _auroc(bad, good), _aupr(bad, good), _f1_max(bad, good)


def _pixel_draws(draws: Floats, maps: Scores, masks: Truth) -> tuple[Floats, Floats, Floats]:
    shares_of_bins = np.linspace(0, 1, NUM_BINS // 2)
    known = [part for part in (maps[masks], maps[~masks]) if part.size]
    edges = np.unique([np.quantile(part, shares_of_bins) for part in known])
    places = len(edges) - np.searchsorted(edges, maps.reshape(len(maps), -1), side="right")
    shares = region_shares(masks).reshape(len(masks), -1)
    flat = masks.reshape(len(masks), -1)
    counts = {
        name: np.stack(
            [
                np.bincount(place, weights=weight, minlength=len(edges) + 1)
                for place, weight in zip(places, weights, strict=True)
            ]
        )
        for name, weights in (
            ("bad", flat.astype(np.float64)),
            ("good", (~flat).astype(np.float64)),
            ("overlap", shares),
        )
    }
    bad, good, overlap = (np.cumsum(draws @ counts[name], axis=1) for name in counts)
    with np.errstate(invalid="ignore", divide="ignore"):
        rates = good / good[:, -1:]
        overlaps = overlap / overlap[:, -1:]
    zero = np.zeros((len(draws), 1))
    area = _area(np.hstack([zero, rates]), np.hstack([zero, overlaps]), limit=MAX_FALSE_POSITIVES)
    return _auroc(bad, good), area, _f1_max(bad, good)


def _auroc(bad: Floats, good: Floats) -> Floats:
    """Of cumulative counts (draws, thresholds), from the highest threshold down."""
    zero = np.zeros((len(bad), 1))
    with np.errstate(invalid="ignore", divide="ignore"):
        found, wrong = bad / bad[:, -1:], good / good[:, -1:]
    return _area(np.hstack([zero, wrong]), np.hstack([zero, found]), limit=1.0)


def _aupr(bad: Floats, good: Floats) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        recall, precision = bad / bad[:, -1:], bad / (bad + good)
    gained = np.diff(recall, axis=1, prepend=0.0)
    area: Floats = np.sum(gained * np.nan_to_num(precision), axis=1)
    return area


def _f1_max(bad: Floats, good: Floats) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        best = np.max(np.nan_to_num(2 * bad / (bad + good + bad[:, -1:])), axis=1)
    known: Floats = np.where(bad[:, -1] > 0, best, math.nan)
    return known


def _area(x: Floats, y: Floats, *, limit: float) -> Floats:
    """Area under curves (draws, points), x rising from 0, up to x = `limit`, divided by it."""
    left, right = x[:, :-1], x[:, 1:]
    width = np.diff(x, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.clip((limit - left) / np.where(width == 0, 1.0, width), 0.0, 1.0)
    share = np.where(width == 0, (right <= limit).astype(float), share)
    reached = y[:, :-1] + share * np.diff(y, axis=1)
    area: Floats = np.sum(share * width * (y[:, :-1] + reached) / 2, axis=1) / limit
    return area
