"""The packed pass equals open_clip's own tower, image by image and window by window."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from contract.errors import ModelError
from scorer import WinClip
from scorer.clip.models import load_clip
from scorer.windows.features import Features, Wanted
from scorer.windows.geometry import window_patches
from scorer.windows.tower import ImageTower
from tests.scorer import oracle
from tests.scorer.pictures import picture
from tests.scorer.tiny import tiny_clip

CHANGED_PX = (7 * 16, 4 * 16)


def assert_features_close(found: Features, expected: Features, atol: float = 1e-5) -> None:
    torch.testing.assert_close(found.image, expected.image, rtol=0, atol=atol)
    torch.testing.assert_close(found.patches, expected.patches, rtol=0, atol=atol)
    for mine, theirs in zip(found.windows, expected.windows, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=atol)


@pytest.fixture(scope="module")
def pixels(mini: WinClip) -> torch.Tensor:
    return mini.backbone.preprocess([picture(seed) for seed in range(3)])


@pytest.fixture(scope="module")
def features(mini: WinClip, pixels: torch.Tensor) -> Features:
    return mini.backbone.features(pixels)


def test_image_embedding_is_open_clips(pixels: torch.Tensor, features: Features) -> None:
    clip = load_clip("flawline-mini").clip
    with torch.inference_mode():
        expected = clip.encode_image(pixels, normalize=True)
    torch.testing.assert_close(features.image, expected, rtol=0, atol=1e-5)


def test_shapes_and_lengths(mini: WinClip, features: Features) -> None:
    assert features.image.shape == (3, 256)
    assert features.patches.shape == (3, 225, 192)
    assert [scale.shape for scale in features.windows] == [(3, 196, 256), (3, 169, 256)]
    assert mini.backbone.tower.tokens_per_image == 226 + 196 * 5 + 169 * 10
    for vectors in (features.image, features.patches, *features.windows):
        lengths = vectors.norm(dim=-1)
        torch.testing.assert_close(lengths, torch.ones_like(lengths))


def test_an_image_does_not_depend_on_its_batch(
    mini: WinClip, pixels: torch.Tensor, features: Features
) -> None:
    assert_features_close(mini.backbone.features(pixels[1:2]), features.take([1]))
    assert_features_close(mini.backbone.features(pixels[[2, 0]]), features.take([2, 0]))


def test_a_batch_beyond_the_token_limit_is_cut(
    mini: WinClip,
    pixels: torch.Tensor,
    features: Features,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mini.backbone.tower, "max_tokens", 2 * mini.backbone.tower.tokens_per_image)
    assert_features_close(mini.backbone.features(pixels), features)
    monkeypatch.setattr(mini.backbone.tower, "max_tokens", 1)
    assert_features_close(mini.backbone.features(pixels[:2]), features.take([0, 1]))


def test_a_broken_image_leaves_its_neighbours_alone(
    mini: WinClip, pixels: torch.Tensor, features: Features
) -> None:
    broken = pixels.clone()
    broken[1, :, 100, 100] = torch.nan
    found = mini.backbone.features(broken)
    assert found.image[1].isnan().all()
    assert_features_close(found.take([0, 2]), features.take([0, 2]))


def test_a_changed_patch_changes_only_the_windows_that_hold_it(mini: WinClip) -> None:
    before = picture(5)
    after = before.copy()
    top, left = CHANGED_PX
    after[top : top + 16, left : left + 16] = 255 - after[top : top + 16, left : left + 16]
    features = mini.backbone.features(mini.backbone.preprocess(np.stack([before, after])))
    patch = 7 * 15 + 4
    for scale, vectors in zip((2, 3), features.windows, strict=True):
        holds = (window_patches((15, 15), scale) == patch).any(dim=1)
        moved = (vectors[0] - vectors[1]).abs().amax(dim=-1)
        assert int(holds.sum()) == scale**2
        assert (moved[holds] > 1e-4).all()
        assert (moved[~holds] < 1e-6).all()


@pytest.mark.parametrize(
    ("vision", "changes"),
    [
        ({}, {}),
        ({}, {"quick_gelu": True}),
        ({"image_size": (64, 96)}, {}),
        ({"ls_init_value": 0.3}, {}),
        ({"no_ln_pre": True}, {}),
        ({"layers": 1}, {}),
        ({"pos_embed_type": "sin_cos_2d"}, {}),
        ({"patch_dropout": 0.5}, {}),
    ],
    ids=str,
)
def test_towers_of_another_make(vision: dict[str, Any], changes: dict[str, Any]) -> None:
    clip = tiny_clip(vision, **changes)
    torch.manual_seed(3)
    tower = ImageTower(clip.visual, (2, 3))
    pixels = torch.randn(2, 3, *tower.image_px)
    with torch.inference_mode():
        found = tower(tower.patchify(pixels))
    # Weights this large leave either side 1.6e-5 away from float64.
    for number, seen in enumerate(oracle.see(clip.visual, pixels, (2, 3))):
        assert found.image[number].numpy() == pytest.approx(seen.image, abs=4e-5)
        assert found.patches[number].numpy() == pytest.approx(np.stack(seen.patches), abs=4e-5)
        for scale, vectors in zip((2, 3), found.windows, strict=True):
            expected = np.stack(list(seen.windows[scale].values()))
            assert vectors[number].numpy() == pytest.approx(expected, abs=4e-5)


@pytest.mark.parametrize(
    "vision",
    [
        {"attentional_pool": True},
        {"pool_type": "avg"},
        {"final_ln_after_pool": True},
        {"block_type": "custom", "qk_norm": True},
        {"layers": (1, 1, 1, 1), "patch_size": None},
    ],
    ids=str,
)
def test_towers_that_windows_cannot_be_cut_from_are_refused(vision: dict[str, Any]) -> None:
    clip = tiny_clip(vision)
    with pytest.raises(ModelError, match=r"not a plain CLIP vision transformer.*ViT-B-16-plus-240"):
        ImageTower(clip.visual, (2, 3))


def test_a_compiled_tower_sees_the_same_in_shapes_that_were_all_rehearsed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What a GPU runs: plain products, a graph per shape, none of them met first in service."""
    monkeypatch.setattr("scorer.windows.linear._pack", lambda weight: None)
    graphs = []

    def backend(module: torch.fx.GraphModule, inputs: list[torch.Tensor]) -> Any:
        graphs.append(module)
        return module.forward

    torch._dynamo.reset()
    visual = tiny_clip().visual
    plain = ImageTower(visual, (2, 3))
    compiled = ImageTower(visual, (2, 3), compiler=backend)
    compiled.max_tokens = 5 * compiled.tokens_per_image
    compiled.rehearse()
    rehearsed = len(graphs)
    assert rehearsed == len(compiled.shapes()) == 3 * 4
    pixels = torch.randn(6, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    for number in range(1, 7):
        patches = plain.patchify(pixels[:number])
        wanted = plain.everything(number)
        for every in (1, 3, 9):
            some = Wanted(
                torch.arange(number) % every == 0,
                tuple(each & (torch.arange(each.shape[1]) % every == 0) for each in wanted.windows),
            )
            with torch.inference_mode():
                assert_features_close(compiled(patches, some), plain(patches, some))
    assert len(graphs) == rehearsed
