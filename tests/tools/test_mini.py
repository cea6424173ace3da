"""What flawline-mini is made and measured with."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch

from contract.image import read_image
from scorer.evaluation.dataset import read_dataset, read_mask
from tools.mini.data import TEXTURES
from tools.mini.losses import Metric
from tools.mini.muon import Muon, orthogonal
from tools.mini.parts import HELD_OUT_PARTS, PARTS
from tools.mini.patterns import HELD_OUT_PATTERNS, PATTERNS
from tools.mini.scene import CANVAS, surface_renderer
from tools.mini.sets import write_held_out
from tools.mini.surfaces import BELTS, HELD_OUT_SURFACES


@pytest.mark.parametrize("shape", [(192, 768), (576, 192), (64, 256)])
def test_muon_makes_steps_orthogonal(shape: tuple[int, int]) -> None:
    """Singular values near 1, singular vectors those of the matrix."""
    torch.manual_seed(1)
    matrix = torch.randn(shape)
    found = torch.linalg.svdvals(orthogonal(matrix))
    assert 0.6 < float(found.min()) <= float(found.max()) < 1.3
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    likeness = torch.nn.functional.cosine_similarity(
        orthogonal(matrix).flatten(), (left @ right).flatten(), dim=0
    )
    assert likeness > 0.97


def test_muon_descends() -> None:
    torch.manual_seed(2)
    weight = torch.nn.Parameter(torch.randn(16, 8))
    goal, inputs = torch.randn(16, 8), torch.randn(64, 8)
    optimizer = Muon([weight], lr=0.05, weight_decay=0.0)
    losses = []
    for _ in range(200):
        loss = (inputs @ (weight - goal).T).square().mean()
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert losses[-1] < 0.1 * losses[0]


def test_distances_of_the_metric_loss_by_hand() -> None:
    """To the nearest clean place of another view of the same product."""
    chance = random.Random(3)
    torch.manual_seed(3)
    groups, views, places = 2, 3, 4
    features = torch.randn(groups, views, places, 5)
    clean = torch.tensor(
        [[[chance.random() < 0.7 for _ in range(places)] for _ in range(views)] for _ in range(2)]
    )
    _, found = Metric()(features, ~clean, clean)
    for group in range(groups):
        for view in range(views):
            for place in range(places):
                mine = features[group, view, place]
                others = [
                    float(torch.nn.functional.cosine_similarity(mine, features[group, v, p], dim=0))
                    for v in range(views)
                    for p in range(places)
                    if v != view and clean[group, v, p]
                ]
                assert float(found[group, view, place]) == pytest.approx(
                    (1 - max(others)) / 2, abs=1e-5
                )


@pytest.mark.parametrize("family", [*PATTERNS, *HELD_OUT_PATTERNS], ids=lambda f: f.__name__)
def test_textures(family: object) -> None:
    """The same seed gives the same picture, another view another one, all within range."""
    assert callable(family)

    def views() -> list[np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
        rng = np.random.default_rng(4)
        render = surface_renderer(rng, family(rng))
        return [render(rng).image for _ in range(2)]

    one, other = views()
    assert one.shape == (CANVAS, CANVAS, 3)
    assert one.min() >= 0
    assert one.max() <= 1
    assert one.std() > 0.005, "there is something to see"
    assert not np.array_equal(one, other)
    np.testing.assert_array_equal(one, views()[0])


def test_held_out_families_are_in_no_training_set() -> None:
    trained = {*PARTS, *TEXTURES, *BELTS}
    assert trained.isdisjoint({*HELD_OUT_PARTS, *HELD_OUT_SURFACES, *HELD_OUT_PATTERNS})


def test_the_held_out_set_is_a_data_set(tmp_path: Path) -> None:
    write_held_out(tmp_path, 5, references=2, normal=1, defective=2)
    categories = read_dataset(tmp_path)
    assert len(categories) == 7
    for category in categories:
        assert len(category.train) == 2
        assert len(category.test) == 3
        assert category.has_masks
        bad = [sample for sample in category.test if sample.is_bad]
        assert bad
        for sample in bad:
            assert read_image(sample.image).shape == (240, 240, 3)
            assert read_mask(sample).any()
