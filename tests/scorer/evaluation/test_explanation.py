"""The explanation adds up to the score, and points at the defect and at what it is like."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from contract.errors import FlawlineError
from contract.image import Pixels
from scorer import WinClip
from scorer.clip.presets import PRESETS
from scorer.evaluation.explanation import Box, explain
from scorer.scoring.coreset import thinned
from tests.scorer.pictures import part
from tests.scorer.tiny import tiny_loaded

BURNT = slice(96, 128)


@pytest.fixture(scope="module")
def bad() -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """A part with a square of noise in rows and columns 6 and 7 of the patches."""
    picture: Pixels = part(3).copy()
    picture[BURNT, BURNT] = np.random.default_rng(0).integers(0, 255, (32, 32, 3), dtype=np.uint8)
    return picture


def covers(box: Box, place: Box) -> bool:
    return (
        box.row <= place.row < box.row + box.side
        and box.column <= place.column < box.column + box.side
    )


@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_the_contributions_add_up_to_the_score(
    weight: float, bad: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]
) -> None:
    model = WinClip.load(language_weight=weight)
    memory = model.enroll([part(1), part(2)])
    found = explain(model, bad, object_name="part", memory=memory)
    scored = model.score([bad], text=model.text_prototypes("part"), memory=memory)
    assert found.anomaly_score == pytest.approx(float(scored.anomaly_score), abs=1e-6)
    assert sum(term.contribution for term in found.terms) == pytest.approx(
        found.anomaly_score, abs=1e-5
    )
    assert sum(term.weight for term in found.terms) == pytest.approx(1.0)
    assert [term.contribution for term in found.terms] == sorted(
        (term.contribution for term in found.terms), reverse=True
    )
    assert {term.name for term in found.terms} == {"words", "patch", "window-2", "window-3"}


def test_it_points_at_the_defect(
    mini: WinClip, bad: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]
) -> None:
    found = explain(mini, bad, object_name=None, memory=mini.enroll([part(1), part(2)]))
    assert covers(Box(6, 6, 2), found.place)
    for term in found.terms:
        assert term.window is not None
        assert covers(term.window, found.place)
        assert float(term.anomaly_map[found.place.row, found.place.column]) == pytest.approx(
            term.value
        )


def test_the_nearest_patch_is_the_one_that_was_copied(mini: WinClip) -> None:
    """A reference itself as the picture: each patch is nearest to itself."""
    references = [part(1), part(2)]
    found = explain(mini, references[1], object_name=None, memory=mini.enroll(references))
    assert found.nearest is not None
    assert found.nearest.reference == 1
    assert found.nearest.box == found.place
    assert found.nearest.similarity == pytest.approx(1.0, abs=1e-4)


def test_by_words_alone() -> None:
    model = WinClip.of(tiny_loaded(), preset=PRESETS["paper"])
    image = np.random.default_rng(1).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    found = explain(model, image, object_name="metal_nut", memory=None)
    [term] = found.terms
    assert (term.name, term.weight, term.window) == ("words", 1.0, None)
    assert term.value == pytest.approx(found.anomaly_score)
    assert found.nearest is None
    assert found.prompt is not None
    features = model.backbone.features(model.backbone.preprocess([image]))
    likeness = {
        prompt: float(
            torch.nn.functional.cosine_similarity(
                model.words.encode((prompt,))[0], features.image[0], dim=0
            )
        )
        for prompt in (found.prompt, "a photo of a damaged metal nut.")
    }
    assert likeness[found.prompt] >= max(likeness.values()) - 1e-6


def test_what_cannot_be_explained(mini: WinClip) -> None:
    with pytest.raises(FlawlineError, match="nothing to score against"):
        explain(mini, part(1), object_name=None, memory=None)


def test_of_references_that_were_thinned_out_nobody_knows_the_nearest(
    mini: WinClip, bad: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]
) -> None:
    memory = thinned(mini.enroll([part(1), part(2)]), 0.5)
    found = explain(mini, bad, object_name=None, memory=memory)
    assert found.nearest is None
    assert covers(Box(6, 6, 2), found.place)
    assert sum(term.contribution for term in found.terms) == pytest.approx(found.anomaly_score)


@pytest.mark.parametrize("pooled", [False, True])
def test_a_crop_in_tiles(mini: WinClip, pooled: bool) -> None:
    """20 x 20 patches in four tiles, the burnt place in the last one alone."""
    references = [part(seed, 320) for seed in (1, 2)]
    burnt = references[1].copy()
    burnt[272:304, 272:304] = np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)
    mask = torch.ones(320, 320, dtype=torch.bool)
    mask[:, :32] = False
    tiling = mini.backbone.tiling(320, overlap_px=64, mask=mask)
    memory = mini.enroll(references, tiling=tiling, pooled=pooled)
    found = explain(mini, burnt, object_name="part", memory=memory, tiling=tiling)
    text = mini.text_prototypes("part")
    scored = mini.score([burnt], text=text, memory=memory, tiling=tiling)
    assert found.anomaly_score == pytest.approx(float(scored.anomaly_score), abs=1e-6)
    assert covers(Box(17, 17, 2), found.place)
    assert found.tile == Box(5, 5, 15)
    for term in found.terms:
        assert term.anomaly_map.shape == (20, 20)
        if term.window is not None:
            assert covers(term.window, found.place)
    by_references = [term for term in found.terms if term.window is not None]
    assert sum(term.value for term in by_references) / 3 == pytest.approx(
        float(mini.score([burnt], memory=memory, tiling=tiling).anomaly_score), abs=1e-6
    )
    again = explain(mini, references[1], object_name=None, memory=memory, tiling=tiling)
    assert again.nearest is not None
    assert again.nearest.reference == 1
    assert again.nearest.box == again.place
