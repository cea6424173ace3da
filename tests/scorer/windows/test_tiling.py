"""Tiles and masks: no seams, and what is not inspected cannot move a score."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.errors import ConfigError, ImageError, MemoryMismatch
from contract.image import Pixels
from scorer import WinClip
from scorer.clip.presets import PRESETS
from scorer.windows.tiling import Tiling
from tests.scorer.pictures import part, picture
from tests.scorer.tiny import tiny_loaded


@pytest.fixture(scope="module")
def tiny() -> WinClip:
    """A model of 64 px, 4 x 4 patches."""
    return WinClip.of(tiny_loaded(), preset=PRESETS["paper"])


def values(tiling: Tiling, whole: torch.Tensor) -> torch.Tensor:
    """The tiles of a map (R, C) as the model would give them."""
    return torch.stack(
        [
            whole[top : top + tiling.tile, left : left + tiling.tile].flatten()
            for top, left in tiling.offsets
        ]
    )


@given(st.integers(4, 20), st.integers(0, 47))
def test_stitched_tiles_of_a_map_are_that_map(patches: int, overlap_px: int) -> None:
    tiling = WinClip.of(tiny_loaded(), preset=PRESETS["paper"]).backbone.tiling(
        16 * patches, overlap_px=overlap_px
    )
    whole = torch.rand(patches, patches, generator=torch.Generator().manual_seed(patches))
    torch.testing.assert_close(tiling.stitch(values(tiling, whole))[0], whole)


@given(st.integers(4, 20), st.integers(0, 47))
def test_tiles_cover_the_crop_and_overlap_enough(patches: int, overlap_px: int) -> None:
    tiling = WinClip.of(tiny_loaded(), preset=PRESETS["paper"]).backbone.tiling(
        16 * patches, overlap_px=overlap_px
    )
    starts = sorted({top for top, _ in tiling.offsets})
    assert (starts[0], starts[-1]) == (0, patches - 4)
    for one, following in pairwise(starts):
        assert 16 * (one + 4 - following) >= overlap_px


def test_the_number_of_tiles(mini: WinClip) -> None:
    tiles = {
        size: mini.backbone.tiling(size, overlap_px=64).num_tiles
        for size in (240, 416, 480, 592, 720)
    }
    assert tiles == {240: 1, 416: 4, 480: 9, 592: 9, 720: 16}


def test_a_defect_that_moves_across_the_seams_keeps_its_weight(tiny: WinClip) -> None:
    """Moved by whole patches, the same disturbance is found as strongly at any place."""
    tiling = tiny.backbone.tiling(160, overlap_px=32)
    clean = np.full((160, 160, 3), 128, np.uint8)
    memory = tiny.enroll([clean], tiling=tiling, pooled=True)
    peaks, places = [], []
    for step in range(2, 7):
        image = clean.copy()
        image[64:80, 16 * step : 16 * step + 16] = picture(3, 16)
        result = tiny.score([image], memory=memory, tiling=tiling)
        assert result.anomaly_map.shape == (1, 10, 10)
        peaks.append(float(result.anomaly_score[0]))
        places.append(divmod(int(result.anomaly_map[0].argmax()), 10))
    assert places == [(4, step) for step in range(2, 7)]
    assert max(peaks) < 2.0 * min(peaks), peaks


@given(st.integers(5, 12), st.integers(0, 47), st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_where_tiles_disagree_the_nearer_middle_counts_more(
    patches: int, overlap_px: int, seed: int
) -> None:
    """Against the definition written as loops: a mean weighted by the distance to the edges."""
    tiling = WinClip.of(tiny_loaded(), preset=PRESETS["paper"]).backbone.tiling(
        16 * patches, overlap_px=overlap_px
    )
    maps = torch.rand(tiling.num_tiles, 16, generator=torch.Generator().manual_seed(seed))
    stitched = tiling.stitch(maps)[0]
    for row in range(patches):
        for column in range(patches):
            total = weights = 0.0
            for number, (top, left) in enumerate(tiling.offsets):
                down, across = row - top, column - left
                if 0 <= down < 4 and 0 <= across < 4:
                    weight = min(down + 1, 4 - down) * min(across + 1, 4 - across)
                    total += weight * float(maps[number, 4 * down + across])
                    weights += weight
            assert float(stitched[row, column]) == pytest.approx(total / weights, abs=1e-5)


def test_a_step_between_two_tiles_becomes_a_slope(mini: WinClip) -> None:
    """One tile all 0, the other all 1: no seam between neighbours is as high as the step."""
    tiling = mini.backbone.tiling(416, overlap_px=64)
    ones = torch.tensor([float(left > 0) for _, left in tiling.offsets])
    stitched = tiling.stitch(ones[:, None].expand(-1, 225))[0]
    steps = stitched.diff(dim=1)
    assert float(steps.min()) >= 0.0
    assert float(stitched[:, 0].max()) == 0.0
    assert float(stitched[:, -1].min()) == 1.0
    assert float(steps.max()) < 0.35


def test_a_tile_is_compared_with_its_own_place_or_with_all(tiny: WinClip) -> None:
    """Swapped halves are a defect by position, and none when tiles are pooled."""
    tiling = tiny.backbone.tiling(128)
    left, right = picture(1, 64), picture(2, 64)
    image = np.block([[[left], [right]], [[left], [right]]])
    swapped = np.block([[[right], [left]], [[right], [left]]])
    by_position = tiny.enroll([image], tiling=tiling)
    pooled = tiny.enroll([image], tiling=tiling, pooled=True)
    assert len(by_position.banks) == 4
    assert len(pooled.banks) == 1
    assert float(tiny.score([image], memory=by_position, tiling=tiling).anomaly_score) < 1e-5
    assert float(tiny.score([swapped], memory=pooled, tiling=tiling).anomaly_score) < 1e-5
    assert float(tiny.score([swapped], memory=by_position, tiling=tiling).anomaly_score) > 1e-3
    with pytest.raises(MemoryMismatch, match="memory is of 4 tiles, the crop has 1"):
        tiny.score([left], memory=by_position)


def test_of_several_tiles_the_most_anomalous_speaks_for_the_image(tiny: WinClip) -> None:
    tiling = tiny.backbone.tiling(128)
    crop = picture(5, 128)
    text = tiny.text_prototypes("bottle")
    tiles = [crop[top : top + 64, left : left + 64] for top in (0, 64) for left in (0, 64)]
    alone = tiny.score(tiles, text=text)
    together = tiny.score([crop], text=text, tiling=tiling)
    torch.testing.assert_close(together.anomaly_score, alone.anomaly_score.amax()[None])
    torch.testing.assert_close(together.anomaly_map[0, :4, :4], alone.anomaly_map[0])
    torch.testing.assert_close(together.anomaly_map[0, 4:, 4:], alone.anomaly_map[3])


@pytest.fixture
def mask() -> torch.Tensor:
    """The left half of the picture, and a strip."""
    shown = torch.zeros(240, 240, dtype=torch.bool)
    shown[:, :100] = True
    shown[200:, 100:130] = True
    return shown


def test_what_is_outside_the_region_cannot_move_a_score(mini: WinClip, mask: torch.Tensor) -> None:
    tiling = mini.backbone.tiling(240, mask=mask)
    good = part(1)
    other: Pixels = np.where(mask.numpy()[..., None], good, picture(7))
    assert (other != good).any()
    text = mini.text_prototypes("object")
    memory = mini.enroll([part(2)], tiling=tiling)
    same = mini.score([good, other], text=text, memory=memory, tiling=tiling)
    assert torch.equal(same.anomaly_score[0], same.anomaly_score[1])
    assert torch.equal(same.anomaly_map[0].nan_to_num(), same.anomaly_map[1].nan_to_num())


def test_the_map_says_what_was_not_inspected(mini: WinClip, mask: torch.Tensor) -> None:
    tiling = mini.backbone.tiling(240, mask=mask)
    result = mini.score([part(1)], memory=mini.enroll([part(2)], tiling=tiling), tiling=tiling)
    inspected = mask.reshape(15, 16, 15, 16).any(dim=3).any(dim=1)
    assert torch.equal(~result.anomaly_map[0].isnan(), inspected)
    assert float(result.anomaly_score) == float(result.anomaly_map[0][inspected].max())


def test_windows_outside_are_not_computed(mini: WinClip, mask: torch.Tensor) -> None:
    tiling = mini.backbone.tiling(240, mask=mask)
    assert tiling.num_tokens < 0.65 * mini.backbone.tower.tokens_per_image
    features = mini.backbone.features(
        tiling.cut(mini.backbone.preprocess([part(1)])), tiling.wanted
    )
    assert not features.windows[0][0, 13].any(), "top right"
    assert features.windows[0][0, 0].any(), "top left"


def test_tiles_that_show_nothing_are_left_out(mini: WinClip) -> None:
    mask = torch.zeros(10, 10, dtype=torch.bool)
    mask[:3, :3] = True
    tiling = mini.backbone.tiling(720, mask=mask, overlap_px=64)
    assert tiling.num_tiles < 16
    result = mini.score(
        [picture(1, 720)], text=mini.text_prototypes("object"), memory=None, tiling=tiling
    )
    assert result.anomaly_map.shape == (1, 45, 45)
    assert not result.anomaly_map[0, :13, :13].isnan().any()
    assert result.anomaly_map[0, 14:].isnan().all()


def test_a_broken_value_inside_the_region_is_never_a_low_score(mini: WinClip) -> None:
    tiling = mini.backbone.tiling(240, mask=torch.ones(2, 2, dtype=torch.bool))
    memory = mini.enroll([part(1)], tiling=tiling)
    pixels = mini.backbone.preprocess([part(1)])
    pixels[0, :, 50, 50] = torch.nan
    assert mini.score_pixels(pixels, memory=memory, tiling=tiling).anomaly_score.isnan().all()


@pytest.mark.parametrize("scale", [64, 250, 1000])
def test_no_strip_of_a_mask_is_too_thin_to_be_inspected(tiny: WinClip, scale: int) -> None:
    for place in range(0, scale, max(1, scale // 50)):
        mask = torch.zeros(scale, scale, dtype=torch.bool)
        mask[:, place] = True
        inside = tiny.backbone.tiling(64, mask=mask).inside
        assert inside[:, place * 4 // scale].all()


def test_words_alone_give_no_score_where_a_window_is_broken(tiny: WinClip) -> None:
    features = tiny.backbone.features(tiny.backbone.preprocess([picture(1, 64)]))
    broken = features.windows[0].clone()
    broken[0, 0] = torch.nan
    features = features._replace(windows=(broken, *features.windows[1:]))
    result = tiny.score_features(features, text=tiny.text_prototypes("object"))
    assert result.anomaly_score.isnan().all()


@pytest.mark.parametrize(
    "pixels",
    [
        torch.zeros(0, 3, 64, 64),
        torch.zeros(1, 3, 80, 80),
        torch.zeros(1, 3, 32, 128),
        torch.zeros(1, 1, 64, 64),
        torch.zeros(3, 64, 64),
        torch.zeros(1, 3, 64, 64, dtype=torch.uint8),
    ],
    ids=lambda pixels: f"{tuple(pixels.shape)} {pixels.dtype}",
)
def test_pixels_that_are_no_crops_are_refused(tiny: WinClip, pixels: torch.Tensor) -> None:
    with pytest.raises(ImageError, match=r"expected preprocessed \(N, 3, 64, 64\)"):
        tiny.score_pixels(pixels, text=tiny.text_prototypes("object"))
    with pytest.raises(ImageError, match="expected preprocessed"):
        tiny.enroll_pixels(pixels)


def test_a_memory_of_one_tile_is_not_one_of_four(tiny: WinClip) -> None:
    image = picture(1, 128)
    for pooled in (False, True):
        memory = tiny.enroll([image[:64, :64]], pooled=pooled)
        with pytest.raises(MemoryMismatch, match="of 1 tiles, the crop has 4"):
            tiny.score([image], memory=memory, tiling=tiny.backbone.tiling(128))


@pytest.mark.parametrize(
    ("size_px", "overlap_px", "message"),
    [
        (250, 0, "250 px.*multiple of 16"),
        (128, 0, "at least 240"),
        (480, 240, "overlap by 240 px.*less than 225"),
    ],
)
def test_views_that_cannot_be(mini: WinClip, size_px: int, overlap_px: int, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        mini.backbone.tiling(size_px, overlap_px=overlap_px)
