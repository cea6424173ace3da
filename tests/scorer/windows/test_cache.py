"""The window cache: what it reuses is what computing again would give, to the bit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.image import Pixels
from scorer import WinClip
from scorer.clip.presets import PRESETS
from scorer.windows.cache import WindowCache
from scorer.windows.features import Features
from tests.scorer.pictures import picture
from tests.scorer.tiny import tiny_loaded


@pytest.fixture(scope="module", params=["float32", "bfloat16"])
def tiny(request: pytest.FixtureRequest) -> WinClip:
    return WinClip.of(tiny_loaded(), preset=PRESETS["paper"], dtype=request.param)


def stream(model: WinClip, cache: WindowCache, *images: Pixels) -> tuple[Features, float]:
    """Images of one camera, in one batch; the share of windows that was reused."""
    return camera_stream(model, cache, ["top"] * len(images), *images)


def camera_stream(
    model: WinClip, cache: WindowCache, cameras: list[str], *images: Pixels
) -> tuple[Features, float]:
    """Images of these cameras, in one batch."""
    pixels = model.backbone.preprocess(list(images))
    wanted = model.backbone.tiling(model.backbone.image_px[0]).wanted.repeat(len(images))
    patches = model.backbone.tower.patchify(pixels.to(model.backbone.like))
    features, missing = cache.features(patches, wanted, cameras)
    return features, 1.0 - int(missing.num_windows.sum()) / int(wanted.num_windows.sum())


def assert_same(found: Features, expected: Features) -> None:
    assert torch.equal(found.image, expected.image)
    assert torch.equal(found.patches, expected.patches)
    for mine, theirs in zip(found.windows, expected.windows, strict=True):
        assert torch.equal(mine, theirs)


def changed(image: Pixels, top: int, left: int, side: int) -> Pixels:
    copy = image.copy()
    copy[top : top + side, left : left + side] ^= 0x55
    return copy


squares = st.tuples(st.integers(0, 63), st.integers(0, 63), st.integers(0, 64))


@settings(max_examples=25, deadline=None)
@given(steps=st.lists(st.lists(squares, max_size=3), min_size=1, max_size=4))
def test_any_stream_is_seen_as_without_cache(
    tiny: WinClip, steps: list[list[tuple[int, int, int]]]
) -> None:
    cache = tiny.backbone.window_cache(tolerance=0, capacity=1)
    image = picture(1, 64)
    for batch in steps:
        images = []
        for top, left, side in batch or [(0, 0, 0)]:
            image = changed(image, top, left, side)
            images.append(image)
        found, _ = stream(tiny, cache, *images)
        assert_same(found, tiny.backbone.features(tiny.backbone.preprocess(images)))


def test_the_bundled_model_too(mini: WinClip) -> None:
    cache = mini.backbone.window_cache(tolerance=0, capacity=1)
    first = picture(1)
    second = changed(first, 80, 80, 80)
    stream(mini, cache, first)
    found, reused = stream(mini, cache, second)
    assert_same(found, mini.backbone.features(mini.backbone.preprocess([second])))
    assert 0.5 < reused < 0.9
    text = mini.text_prototypes("object")
    cached = mini.score_features(found, text=text)
    again = mini.score([second], text=text)
    assert torch.equal(cached.anomaly_score, again.anomaly_score)
    assert torch.equal(cached.anomaly_map, again.anomaly_map)


def test_an_unchanged_image_costs_no_pass(tiny: WinClip, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tiny.backbone.window_cache(tolerance=0, capacity=1)
    first, _ = stream(tiny, cache, picture(1, 64))
    monkeypatch.setattr(tiny.backbone.tower, "_forward", lambda *_: pytest.fail("the tower ran"))
    found, reused = stream(tiny, cache, picture(1, 64))
    assert reused == 1.0
    assert_same(found, first)


def test_one_changed_patch_reuses_all_windows_but_those_that_hold_it(tiny: WinClip) -> None:
    cache = tiny.backbone.window_cache(tolerance=0, capacity=1)
    stream(tiny, cache, picture(1, 64))
    _, reused = stream(tiny, cache, changed(picture(1, 64), 20, 20, 2))
    # A 4 x 4 grid has 9 windows of side 2, 4 of side 3 and the image; the patch is in 4, 4 and 1.
    assert reused == pytest.approx(1 - 9 / 14)


def test_cameras_are_apart_and_the_oldest_is_forgotten(tiny: WinClip) -> None:
    cache = tiny.backbone.window_cache(tolerance=0, capacity=2)
    shares = [
        camera_stream(tiny, cache, [camera], picture(1, 64))[1]
        for camera in ("a", "b", "a", "c", "a", "b")
    ]
    assert shares == [0.0, 0.0, 1.0, 0.0, 1.0, 0.0]
    assert len(cache) == 2


@settings(max_examples=25, deadline=None)
@given(
    capacity=st.integers(1, 2),
    batches=st.lists(
        st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 1)), min_size=1, max_size=4),
        min_size=1,
        max_size=4,
    ),
)
def test_more_cameras_than_fit_are_seen_as_without_cache(
    tiny: WinClip, capacity: int, batches: list[list[tuple[str, int]]]
) -> None:
    cache = tiny.backbone.window_cache(tolerance=0, capacity=capacity)
    for batch in batches:
        images = [picture(seed, 64) for _, seed in batch]
        found, _ = camera_stream(tiny, cache, [camera for camera, _ in batch], *images)
        assert_same(found, tiny.backbone.features(tiny.backbone.preprocess(images)))
        assert len(cache) <= capacity


def test_within_the_tolerance_the_picture_counts_as_unchanged(tiny: WinClip) -> None:
    cache = tiny.backbone.window_cache(tolerance=6, capacity=1)
    grey = np.full((64, 64, 3), 100, np.uint8)
    stream(tiny, cache, grey)
    assert stream(tiny, cache, grey + 5)[1] == 1.0
    assert stream(tiny, cache, grey + 8)[1] == 0.0


def test_a_slow_drift_does_not_slip_through(tiny: WinClip) -> None:
    """Each frame is within the tolerance of the one before; the features must follow anyway."""
    cache = tiny.backbone.window_cache(tolerance=6, capacity=1)
    images = [np.full((64, 64, 3), level, np.uint8) for level in range(60, 120, 3)]
    for image in images:
        found, _ = stream(tiny, cache, image)
    worst = min(
        float(
            (found.image - tiny.backbone.features(tiny.backbone.preprocess([near])).image)
            .abs()
            .max()
        )
        for near in images[-3:]
    )
    assert worst == 0.0, "the features are those of a frame within the tolerance"
