"""Figures against their definitions written as loops, on random and on degenerate inputs."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from scorer.evaluation.accuracy import (
    Figures,
    Scores,
    Truth,
    aupr,
    auroc,
    best_threshold,
    f1_max,
    figures,
    intervals,
    pro,
    region_shares,
)

LEVELS = np.linspace(0, 1, 6, dtype=np.float32).tolist()


def naive_auroc(scores: Scores, labels: Truth) -> float:
    """How often a bad one scores higher than a good one; ties count half."""
    pairs = [
        1.0 if bad > good else 0.5 if bad == good else 0.0
        for bad in scores[labels]
        for good in scores[~labels]
    ]
    return sum(pairs) / len(pairs) if pairs else math.nan


def counts(scores: Scores, labels: Truth, threshold: float) -> tuple[int, int, int]:
    """Right alarms, false alarms and misses at a threshold."""
    called = [bool(score >= threshold) for score in scores]
    right = sum(one and bool(label) for one, label in zip(called, labels, strict=True))
    return right, sum(called) - right, int(labels.sum()) - right


def naive_f1_max(scores: Scores, labels: Truth) -> float:
    if not labels.any():
        return math.nan
    best = 0.0
    for threshold in set(scores.tolist()):
        right, false, missed = counts(scores, labels, threshold)
        best = max(best, 2 * right / (2 * right + false + missed))
    return best


def naive_aupr(scores: Scores, labels: Truth) -> float:
    if not labels.any():
        return math.nan
    area = recall_before = 0.0
    for threshold in sorted(set(scores.tolist()), reverse=True):
        right, false, missed = counts(scores, labels, threshold)
        recall = right / (right + missed)
        area += (recall - recall_before) * right / (right + false)
        recall_before = recall
    return area


def naive_regions(mask: Truth) -> list[set[tuple[int, int]]]:
    """Connected pixels, corners included, by flooding."""
    left = {(int(row), int(column)) for row, column in zip(*np.nonzero(mask), strict=True)}
    regions = []
    while left:
        region, edge = set(), [left.pop()]
        while edge:
            row, column = edge.pop()
            region.add((row, column))
            near = {
                (row + down, column + across) for down in (-1, 0, 1) for across in (-1, 0, 1)
            } & left
            left -= near
            edge.extend(near)
        regions.append(region)
    return regions


def naive_pro(maps: Scores, masks: Truth, limit: float = 0.3) -> float:
    """Mean overlap of regions at each threshold, integrated by trapezoids over false positives."""
    regions = [(index, r) for index, mask in enumerate(masks) for r in naive_regions(mask)]
    num_good = int((~masks).sum())
    if not regions or not num_good:
        return math.nan
    points = [(0.0, 0.0)]
    for threshold in sorted(set(maps.ravel().tolist()), reverse=True):
        called = maps >= threshold
        overlaps = [sum(bool(called[i][at]) for at in r) / len(r) for i, r in regions]
        points.append((int((called & ~masks).sum()) / num_good, sum(overlaps) / len(overlaps)))
    area = 0.0
    for (x0, y0), (x1, y1) in pairwise(points):
        if x0 >= limit:
            break
        end = min(x1, limit)
        y_end = y1 if x1 == end else y0 + (y1 - y0) * (end - x0) / (x1 - x0)
        area += (end - x0) * (y0 + y_end) / 2
    return area / limit


same = pytest.approx
few_scores = arrays.arrays(np.float32, st.integers(1, 14), elements=st.sampled_from(LEVELS))


@given(few_scores, st.data())
def test_image_figures(scores: Scores, data: st.DataObject) -> None:
    labels = np.array(
        data.draw(st.lists(st.booleans(), min_size=len(scores), max_size=len(scores)))
    )
    for ours, naive in ((auroc, naive_auroc), (aupr, naive_aupr), (f1_max, naive_f1_max)):
        assert ours(scores, labels) == same(naive(scores, labels), nan_ok=True)
    if labels.any():
        right, false, missed = counts(scores, labels, best_threshold(scores, labels))
        assert 2 * right / (2 * right + false + missed) == same(f1_max(scores, labels))
    else:
        assert math.isnan(best_threshold(scores, labels))


@given(
    arrays.arrays(np.float32, (2, 5, 4), elements=st.sampled_from(LEVELS)),
    arrays.arrays(np.bool_, (2, 5, 4)),
    st.sampled_from([0.05, 0.3, 1.0]),
)
@settings(deadline=None)
def test_per_region_overlap(maps: Scores, masks: Truth, limit: float) -> None:
    found = pro(maps, masks, max_false_positives=limit)
    assert found == same(naive_pro(maps, masks, limit), nan_ok=True)


@given(arrays.arrays(np.bool_, (1, 6, 6)))
def test_each_region_weighs_one(masks: Truth) -> None:
    assert region_shares(masks).sum() == same(len(naive_regions(masks[0])))


def test_perfect_and_worthless_maps() -> None:
    masks = np.zeros((2, 8, 8), bool)
    masks[0, 1:3, 1:3] = masks[1, 5, 5] = True
    labels = np.array([True, True])
    perfect = figures(np.array([1, 1], np.float32), labels, masks.astype(np.float32), masks)
    assert perfect[3:] == same((1.0, 1.0, 1.0))
    flat = figures(np.array([1, 1], np.float32), labels, np.zeros((2, 8, 8), np.float32), masks)
    assert flat.pixel_auroc == same(0.5)
    assert flat.pixel_pro == same(0.15), "the diagonal, up to 30 %"


@pytest.mark.parametrize("bad", [True, False])
def test_one_class_alone(bad: bool) -> None:
    scores = np.array([0.1, 0.4], np.float32)
    masks = np.full((2, 1, 1), bad)
    found = figures(scores, np.array([bad, bad]), scores[:, None, None], masks)
    assert math.isnan(found.image_auroc)
    assert math.isnan(found.pixel_auroc)
    assert math.isnan(found.pixel_pro)
    assert found.image_aupr == same(1.0 if bad else math.nan, nan_ok=True)
    assert found.pixel_f1_max == same(1.0 if bad else math.nan, nan_ok=True)


def test_without_masks_pixels_have_no_figure() -> None:
    scores = np.array([0.1, 0.4], np.float32)
    found = figures(scores, np.array([False, True]), scores[:, None, None], None)
    assert found.image_auroc == 1.0
    assert all(math.isnan(each) for each in found[3:])


def resampled(scores: Scores, labels: Truth, maps: Scores, masks: Truth) -> list[Figures]:
    """The bootstrap as it is defined: draw images, compute the figures anew."""
    random = np.random.default_rng(1)
    found = []
    for _ in range(300):
        picked = random.integers(0, len(labels), len(labels))
        found.append(figures(scores[picked], labels[picked], maps[picked], masks[picked]))
    return found


def test_intervals_are_those_of_drawing_images_anew() -> None:
    random = np.random.default_rng(0)
    labels = np.arange(40) % 2 == 0
    masks = np.zeros((40, 12, 12), bool)
    masks[labels, 3:6, 4:8] = True
    maps = (random.random(masks.shape) + 0.5 * masks).astype(np.float32)
    scores = (random.random(40) + 0.4 * labels).astype(np.float32)
    found = intervals([scores, scores], labels, [maps, maps], masks)
    drawn = np.array(resampled(scores, labels, maps, masks))
    assert found.low == same(tuple(np.percentile(drawn, 2.5, axis=0)), abs=0.03)
    assert found.high == same(tuple(np.percentile(drawn, 97.5, axis=0)), abs=0.03)
    whole = figures(scores, labels, maps, masks)
    assert all(
        low <= at <= high for low, at, high in zip(found.low, whole, found.high, strict=True)
    )


@pytest.mark.parametrize("side", [2, 4, 16])
def test_the_figure_lies_in_its_interval_however_small_the_defects(side: int) -> None:
    """From 0.014 to 0.9 % of the pixels: real defects are often that small."""
    random = np.random.default_rng(side)
    labels = np.arange(60) % 2 == 0
    masks = np.zeros((60, 120, 120), bool)
    masks[labels, 30 : 30 + side, 40 : 40 + side] = True
    maps = (random.normal(0, 1, masks.shape) + 4 * masks).astype(np.float32)
    scores = maps.max(axis=(1, 2))
    found, whole = intervals([scores], labels, [maps], masks), figures(scores, labels, maps, masks)
    for name, low, at, high in zip(Figures._fields, found.low, whole, found.high, strict=True):
        assert low - 0.005 <= at <= high + 0.005, name


def test_an_interval_of_what_is_not_defined_is_not_defined() -> None:
    scores = np.array([0.1, 0.4], np.float32)
    found = intervals([scores], np.array([False, False]), [scores[:, None, None]], None)
    assert all(math.isnan(each) for each in (*found.low, *found.high))
