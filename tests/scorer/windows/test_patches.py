"""References are compared by another network's patches; words and windows stay CLIP's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from timm.layers.pos_embed import resample_abs_pos_embed

from contract.config import ModelSettings
from contract.errors import MemoryMismatch, ModelError
from scorer import WinClip
from scorer.clip.presets import IMAGE
from scorer.evaluation.explanation import explain
from scorer.scoring.coreset import thinned
from scorer.scoring.equations import association
from scorer.scoring.winclip import load_model
from scorer.windows.backbone import Crop
from tests.scorer.pictures import part

NAME = "vit_small_patch14_dinov2"
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
PICTURE_PX, GRID = 240, 15


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """DINOv2-S as it is published (518 px, 37 x 37 positions), with random weights."""
    torch.manual_seed(3)
    path = tmp_path_factory.mktemp("weights") / "dinov2.safetensors"
    save_file(timm.create_model(NAME, num_classes=0).state_dict(), path)
    return path


@pytest.fixture(scope="module")
def model(weights: Path) -> WinClip:
    return WinClip.load(association=NAME, association_weights=weights)


def test_the_map_is_that_of_the_other_networks_patches(model: WinClip, weights: Path) -> None:
    """Against timm alone: same weights, its own normalisation, positions fitted to 15 x 15."""
    other: Any = timm.create_model(NAME, num_classes=0, img_size=14 * GRID).eval()
    tensors = load_file(weights)
    tensors["pos_embed"] = resample_abs_pos_embed(tensors["pos_embed"], [GRID, GRID])
    other.load_state_dict(tensors)

    def look(picture: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> torch.Tensor:
        pixels = torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255
        small = F.interpolate(pixels, (210, 210), mode="bicubic", antialias=True)
        mean, std = (torch.tensor(each).view(3, 1, 1) for each in (IMAGENET_MEAN, IMAGENET_STD))
        with torch.inference_mode():
            return F.normalize(other.forward_features((small - mean) / std)[:, 1:], dim=-1)

    query, references = part(9), [part(1), part(2)]
    expected = association(look(query), torch.cat([look(each)[0] for each in references]))
    found = model.score([query], memory=model.enroll(references))
    np.testing.assert_allclose(found.anomaly_map[0].ravel(), expected[0], atol=1e-5)
    assert float(found.anomaly_score) == pytest.approx(float(expected.max()), abs=1e-5)


def test_words_are_those_of_clip(model: WinClip, mini: WinClip) -> None:
    text = mini.text_prototypes("part")
    for mine, plain in zip(
        model.score([part(4)], text=text), mini.score([part(4)], text=text), strict=True
    ):
        torch.testing.assert_close(mine, plain)


def test_memories_are_not_mixed_up(model: WinClip, mini: WinClip, tmp_path: Path) -> None:
    references = [part(1), part(2)]
    with pytest.raises(MemoryMismatch, match=f"made with model flawline-mini, .*{NAME}"):
        model.score([part(3)], memory=mini.enroll(references))
    with pytest.raises(MemoryMismatch, match=f"{NAME}, this scorer has flawline-mini"):
        mini.score([part(3)], memory=model.enroll(references))
    torch.manual_seed(4)
    path = tmp_path / "other.safetensors"
    save_file(timm.create_model(NAME, num_classes=0).state_dict(), path)
    retrained = WinClip.load(association=NAME, association_weights=path)
    with pytest.raises(MemoryMismatch, match="weights_sha256"):
        retrained.score([part(3)], memory=model.enroll(references))


def test_a_stream_gets_the_same_patches(model: WinClip) -> None:
    """The cache of windows never answers for the other network."""
    cache = model.backbone.window_cache(tolerance=0.0, capacity=2)
    for number in (5, 5, 6):
        [seen] = model.backbone.look([Crop(part(number), model.backbone.whole, "top")], cache)
        alone = model.backbone.features(model.backbone.preprocess([part(number)]))
        torch.testing.assert_close(seen.features.patches, alone.patches)


def test_a_crop_in_tiles(model: WinClip) -> None:
    tiling = model.backbone.tiling(2 * PICTURE_PX)
    memory = model.enroll([part(1)], tiling=tiling)
    assert memory.banks[0].patches.shape == (GRID * GRID, 384)
    assert all(len(windows) == 0 for bank in memory.banks for windows in bank.windows)
    found = model.score([part(1)], memory=memory, tiling=tiling)
    assert float(found.anomaly_score) < 1e-4, "a reference is like itself"


def test_a_coreset_of_its_patches(model: WinClip) -> None:
    memory = thinned(model.enroll([part(1), part(2)]), 0.1)
    assert len(memory.banks[0].patches) == 45
    assert 0 < float(model.score([part(3)], memory=memory).anomaly_score) < 1


def test_no_cache_saves_what_it_costs(model: WinClip, mini: WinClip) -> None:
    """A still scene is cheap for the windows, not for the other network."""
    tiling, plain = model.backbone.tiling(PICTURE_PX), mini.backbone.tiling(PICTURE_PX)
    assert tiling.num_tokens > 1.5 * plain.num_tokens
    cache = model.backbone.window_cache(tolerance=0.0, capacity=1)
    crop = Crop(part(5), tiling, "camera")
    model.backbone.look([crop], cache)
    [seen] = model.backbone.look([crop], cache)
    assert tiling.num_tokens - seen.saved_tokens >= tiling.num_tokens - plain.num_tokens


@pytest.fixture
def passes(model: WinClip, monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """Rows of images and windows of each pass of CLIP's tower."""
    seen: list[list[int]] = []
    run = model.backbone.tower._run_blocks

    def noted(tokens: torch.Tensor, layout: Any) -> torch.Tensor:
        seen.append(layout.rows)
        return run(tokens, layout)

    monkeypatch.setattr(model.backbone.tower, "_run_blocks", noted)
    return seen


@pytest.mark.parametrize(
    ("weight", "rows"), [(0.0, []), (0.5, [1, 196, 169])], ids=["references alone", "words, too"]
)
def test_clip_computes_what_words_ask_for_and_no_more(
    model: WinClip, passes: list[list[int]], weight: float, rows: list[int]
) -> None:
    judge = model.variant(model.preset, language_weight=weight)
    text, memory = judge.text_prototypes("part"), judge.enroll([part(1)])
    assert passes == [], "teaching needs the other network alone"
    score = judge.score([part(3)], text=text, memory=memory).anomaly_score
    assert passes == ([rows] if rows else [])
    passes.clear()
    tiling, needs = judge.backbone.whole, judge.needs(text=text, memory=memory)
    [seen] = judge.backbone.look([Crop(part(3), tiling, "camera", needs)])
    assert passes == ([rows] if rows else [])
    found = judge.score_features(seen.features, text=text, memory=memory)
    assert torch.equal(found.anomaly_score, score)
    full = judge.score_features(
        judge.backbone.features(judge.backbone.preprocess([part(3)])), text=text, memory=memory
    )
    torch.testing.assert_close(full.anomaly_score, score)
    assert judge.backbone.num_tokens(tiling, needs) <= tiling.num_tokens
    assert (judge.backbone.num_tokens(tiling, needs) < tiling.num_tokens) == (weight == 0)


def test_words_of_the_image_alone_need_the_image_pass(
    model: WinClip, passes: list[list[int]]
) -> None:
    judge = model.variant(replace(model.preset, language_maps=(IMAGE,)), language_weight=0.5)
    text, memory = judge.text_prototypes("part"), judge.enroll([part(1)])
    judge.score([part(3)], text=text, memory=memory)
    assert passes == [[1, 0, 0]]


def test_words_alone_do_not_ask_the_other_network(
    model: WinClip, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model.backbone, "_encode", lambda pixels: pytest.fail("it was asked"))
    model.score([part(4)], text=model.text_prototypes("part"))


def test_a_camera_whose_line_gets_a_memory_is_looked_at_anew(mini: WinClip) -> None:
    """What the cache holds of a line without windows is not taken for one with them."""
    cache = mini.backbone.window_cache(tolerance=0.0, capacity=1)
    tiling, text, memory = mini.backbone.whole, mini.text_prototypes("part"), mini.enroll([part(1)])
    plain = mini.variant(replace(mini.preset, language_maps=(IMAGE,)), language_weight=0.5)
    for given in (None, memory):
        needs = plain.needs(text=text, memory=given)
        [seen] = mini.backbone.look([Crop(part(3), tiling, "camera", needs)], cache)
        found = plain.score_features(seen.features, text=text, memory=given)
        assert found.anomaly_map.equal(plain.score([part(3)], text=text, memory=given).anomaly_map)


def test_weights_that_give_no_numbers_are_found(tmp_path: Path) -> None:
    state = timm.create_model(NAME, num_classes=0).state_dict()
    save_file(
        {key: torch.full_like(value, torch.nan) for key, value in state.items()},
        tmp_path / "nan.safetensors",
    )
    broken = WinClip.load(association=NAME, association_weights=tmp_path / "nan.safetensors")
    assert not broken.is_sound()


def test_an_explanation_names_the_patch_alone(model: WinClip) -> None:
    found = explain(model, part(3), object_name=None, memory=model.enroll([part(1)]))
    assert [term.name for term in found.terms] == ["patch"]
    assert found.terms[0].contribution == pytest.approx(found.anomaly_score, abs=1e-6)


def test_a_configuration_asks_for_it(weights: Path) -> None:
    settings = ModelSettings(association=NAME, association_weights=weights)
    assert load_model(settings).fingerprint.model == f"flawline-mini + {NAME}"
    with pytest.raises(ValueError, match="go together"):
        ModelSettings(association=NAME)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("dino", "a timm name, such as vit_base_patch14_dinov2"),
        ("resnet18", "no plain vision transformer"),
        ("vit_tiny_patch16_224", "does not fit vit_tiny_patch16_224"),
    ],
)
def test_networks_that_cannot_be(name: str, told: str, weights: Path) -> None:
    with pytest.raises(ModelError, match=told):
        WinClip.load(association=name, association_weights=weights)
