"""Each switch does what the paper's row says, by loops over single numbers."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from contract.errors import ModelError
from scorer import WinClip
from scorer.clip.presets import PRESETS
from scorer.evaluation.ablation import PAPER, TABLES, Variant
from scorer.evaluation.dataset import read_dataset
from scorer.evaluation.evaluation import judge
from scorer.evaluation.gallery import Gallery
from tests.scorer import oracle
from tests.scorer.pictures import picture
from tests.scorer.plates import write_plates
from tests.scorer.tiny import tiny_loaded

GRID = (4, 4)
SCALES = (2, 3)
Map = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
VARIANTS = {each.label: each for table in TABLES.values() for each in table.variants}


class Bench:
    """A tiny model, and one picture beside two references, seen by it and by the oracle."""

    def __init__(self) -> None:
        loaded = tiny_loaded()
        self.model = WinClip.of(loaded, preset=PRESETS["paper"])
        self.visual = loaded.clip.visual
        pixels = self.model.backbone.preprocess([picture(seed) for seed in range(3)])
        self.features = self.model.backbone.features(pixels)
        self.seen, *self.references = oracle.see(self.visual, pixels, SCALES)

    def scored(self, label: str, *, references: bool) -> tuple[float, Map]:
        """Score and map of the picture in a row of the paper's tables."""
        variant = VARIANTS[label]
        model = self.model.variant(variant.preset, language_weight=variant.language_weight or 0.0)
        memory = model.remember(self.features.take([1, 2])) if references else None
        text = None if references else model.text_prototypes("nut")
        result = model.score_features(self.features.take([0]), text=text, memory=memory)
        return float(result.anomaly_score), result.anomaly_map[0].double().numpy()

    def text(self, label: str) -> tuple[oracle.Vector, oracle.Vector]:
        normal, anomalous = self.model.variant(
            VARIANTS[label].preset, language_weight=0.0
        ).text_prototypes("nut")
        return oracle.unit(normal.tolist()), oracle.unit(anomalous.tolist())

    def word_maps(self, text: tuple[oracle.Vector, oracle.Vector]) -> list[Map]:
        """Image, windows of 2 and of 3, each spread over the patches by the harmonic mean."""
        maps: list[Map] = [np.full(GRID, oracle.language(self.seen.image, text, PAPER.temperature))]
        for scale, vectors in self.seen.windows.items():
            scores = {
                place: oracle.language(vector, text, PAPER.temperature)
                for place, vector in vectors.items()
            }
            maps.append(oracle.spread(scores, scale, GRID))
        return maps


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench()


def harmonic(maps: list[Map]) -> Map:
    out = np.zeros(GRID)
    for row in range(GRID[0]):
        for column in range(GRID[1]):
            out[row, column] = oracle.harmonic_mean([each[row, column] for each in maps])
    return out


@pytest.mark.parametrize(
    ("label", "kept"),
    [
        ("WinCLIP", (0, 1, 2)),
        ("without image-scale", (1, 2)),
        ("without small-scale", (0, 2)),
        ("without mid-scale", (0, 1)),
    ],
)
def test_scales_of_the_words(bench: Bench, label: str, kept: tuple[int, ...]) -> None:
    maps = bench.word_maps(bench.text(label))
    score, found = bench.scored(label, references=False)
    np.testing.assert_allclose(found, harmonic([maps[index] for index in kept]), atol=1e-5)
    assert score == pytest.approx(float(maps[0][0, 0]), abs=1e-5), "the image speaks for itself"


def test_arithmetic_average(bench: Bench) -> None:
    text = bench.text("without harmonic average")
    maps: list[Map] = [bench.word_maps(text)[0]]
    for scale, vectors in bench.seen.windows.items():
        total, count = np.zeros(GRID), np.zeros(GRID)
        for (top, left), vector in vectors.items():
            for row in range(top, top + scale):
                for column in range(left, left + scale):
                    total[row, column] += oracle.language(vector, text, PAPER.temperature)
                    count[row, column] += 1
        maps.append(total / count)
    _, found = bench.scored("without harmonic average", references=False)
    np.testing.assert_allclose(found, sum(maps) / 3, atol=1e-5)


def test_patch_tokens_in_words(bench: Bench) -> None:
    text, projection = bench.text("patch-token"), bench.visual.proj.double().numpy()
    expected = [
        oracle.language(oracle.unit(patch @ projection), text, PAPER.temperature)
        for patch in bench.seen.patches
    ]
    _, found = bench.scored("patch-token", references=False)
    np.testing.assert_allclose(found.ravel(), expected, atol=1e-5)


def test_one_class(bench: Bench) -> None:
    """Only the good words count; so the bad ones may be anything."""
    normal, _ = bench.text("(a) one-class")
    score, found = bench.scored("(a) one-class", references=False)
    assert score == pytest.approx((1 - float(bench.seen.image @ normal)) / 2, abs=1e-5)
    assert found.shape == GRID
    preset = replace(VARIANTS["(a) one-class"].preset, anomalous_states=("splendid {}",))
    other = bench.model.variant(preset, language_weight=0.0)
    text = other.text_prototypes("nut")
    again = other.score_features(bench.features.take([0]), text=text)
    assert float(again.anomaly_score) == pytest.approx(score, abs=1e-6)


@pytest.mark.parametrize(
    ("label", "scales"), [("patch", ()), ("+ window-3", (3,)), ("+ window-2", (2, 3))]
)
def test_scales_of_the_references(bench: Bench, label: str, scales: tuple[int, ...]) -> None:
    def vectors(seen: oracle.Seen, side: int) -> list[oracle.Vector]:
        return seen.patches if side == 1 else list(seen.windows[side].values())

    def associated(side: int) -> Map:
        known = [vector for each in bench.references for vector in vectors(each, side)]
        distances = [oracle.associate(vector, known) for vector in vectors(bench.seen, side)]
        if side == 1:
            return np.array(distances).reshape(GRID)
        places = bench.seen.windows[side]
        return oracle.spread(dict(zip(places, distances, strict=True)), side, GRID)

    maps = [associated(side) for side in (1, *scales)]
    score, found = bench.scored(label, references=True)
    np.testing.assert_allclose(found, sum(maps) / len(maps), atol=1e-5)
    assert score == pytest.approx(float(found.max()), abs=1e-6)


def test_words_of_the_rows() -> None:
    prompts = {
        label: VARIANTS[label].preset.templates
        for label in ("two-class", "(b) + state ensemble", "(c) + prompt ensemble")
    }
    assert prompts["two-class"] == prompts["(b) + state ensemble"] == ("{}",)
    assert len(prompts["(c) + prompt ensemble"]) == 22
    assert VARIANTS["two-class"].preset.anomalous_states == ("anomalous {}",)
    assert len(VARIANTS["(b) + state ensemble"].preset.normal_states) == 7


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory, mini: WinClip) -> Gallery:
    root = write_plates(tmp_path_factory.mktemp("data") / "plates")
    [category] = read_dataset(root)
    return Gallery(mini, category, lambda: None)


def test_multi_crop_is_the_mean_over_ten_crops(gallery: Gallery, mini: WinClip) -> None:
    """The mean changes the score and nothing else; the crops are real parts of the picture."""
    [plain] = judge(mini, gallery, shots=(0,), seeds=1)
    [closer] = judge(mini, gallery, shots=(0,), seeds=1, multi_crop=True)
    text = mini.text_prototypes("plates")
    normal, anomalous = (oracle.unit(each.tolist()) for each in text)
    for crops, judged in zip(gallery.crops, closer.judged, strict=True):
        assert len(crops) == 10
        scores = [
            oracle.language(oracle.unit(crop.tolist()), (normal, anomalous), PAPER.temperature)
            for crop in crops
        ]
        assert judged.anomaly_score == pytest.approx(math.fsum(scores) / 10, abs=1e-5)
    for one, other in zip(plain.judged, closer.judged, strict=True):
        np.testing.assert_array_equal(one.anomaly_map, other.anomaly_map)
        assert one.anomaly_score != other.anomaly_score


def test_multi_crop_beside_references(gallery: Gallery, mini: WinClip) -> None:
    """Equation (6): half of the score is the words'; only that half is of the crops."""
    scores = {
        weight: [
            each.anomaly_score
            for each in judge(
                mini.variant(PAPER, language_weight=weight),
                gallery,
                shots=(1,),
                seeds=1,
                multi_crop=True,
            )[0].judged
        ]
        for weight in (0.0, 0.5, 1.0)
    }
    for references, mixed, words in zip(*scores.values(), strict=True):
        assert mixed == pytest.approx((references + words) / 2, abs=1e-6)


def test_a_variant_with_other_windows_is_refused(bench: Bench) -> None:
    variant = Variant("other", replace(PAPER, scales=(2,)))
    with pytest.raises(ModelError, match=r"windows of \(2,\)"):
        bench.model.variant(variant.preset, language_weight=0.5)


def test_every_published_value_has_a_figure() -> None:
    for table in TABLES.values():
        for variant in table.variants:
            assert variant.published
            assert all(len(row) == len(table.figures) for row in variant.published.values())
