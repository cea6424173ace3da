"""Crop, resize and colour, against Pillow and against known colours."""

from __future__ import annotations

import av
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from contract.config import Region
from contract.image import Pixels
from ingest.crop import Cropper
from ingest.picture import misfit
from tests.ingest.media import scene

SIZE_PX = 60
FULL_RANGE, LIMITED_RANGE = 2, 1


def region(x_px: int, y_px: int, width_px: int, height_px: int) -> Region:
    return Region(x_px=x_px, y_px=y_px, width_px=width_px, height_px=height_px)


def frame_of(pixels: Pixels, pixel_format: str) -> av.VideoFrame:
    return av.VideoFrame.from_ndarray(pixels, "rgb24").reformat(format=pixel_format)


def by_pillow(pixels: Pixels, place: tuple[int, ...] | None) -> npt.NDArray[np.int_]:
    x_px, y_px, width_px, height_px = place or (0, 0, pixels.shape[1], pixels.shape[0])
    box = (x_px, y_px, x_px + width_px, y_px + height_px)
    image = Image.fromarray(pixels).resize((SIZE_PX, SIZE_PX), Image.Resampling.BICUBIC, box=box)
    return np.asarray(image).astype(int)


def smooth(width_px: int = 320, height_px: int = 200) -> Pixels:
    """Gradients only, so that halved chroma loses nothing."""
    pixels = scene(width_px=width_px, height_px=height_px)
    pixels[..., 2] = 255 - pixels[..., 0]
    return pixels


CHROMA_GRID_PX = {
    "rgb24": (1, 1),
    "yuvj422p": (2, 1),
    "yuv420p": (2, 2),
    "nv12": (2, 2),
    "yuv420p10le": (2, 2),
}
PLACES = [None, (40, 20, 120, 120), (41, 23, 201, 97), (300, 180, 20, 20)]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("pixel_format", CHROMA_GRID_PX)
def test_a_crop_is_what_pillow_makes_of_it(
    pixel_format: str, place: tuple[int, int, int, int] | None
) -> None:
    pixels = smooth()
    wanted = place and region(*place)
    crop = Cropper().render(frame_of(pixels, pixel_format), wanted, SIZE_PX)
    snapped = place and tuple(
        edge // grid * grid
        for edge, grid in zip(place, CHROMA_GRID_PX[pixel_format] * 2, strict=True)
    )
    assert crop.shape == (SIZE_PX, SIZE_PX, 3)
    assert crop.dtype == np.uint8
    difference = np.abs(crop.astype(int) - by_pillow(pixels, snapped))
    assert difference.max() <= (1 if pixel_format == "rgb24" else 3)


@pytest.mark.parametrize(
    ("colour_range", "grey"), [(LIMITED_RANGE, {16: 0, 235: 255}), (FULL_RANGE, {0: 0, 255: 255})]
)
def test_black_is_black_and_white_is_white_in_both_ranges(
    colour_range: int, grey: dict[int, int]
) -> None:
    for luma, expected in grey.items():
        planes = np.full((64 * 3 // 2, 64), 128, dtype=np.uint8)
        planes[:64] = luma
        frame = av.VideoFrame.from_ndarray(planes, "yuv420p")
        frame.color_range = colour_range
        crop = Cropper().render(frame, None, 16)
        assert np.abs(crop.astype(int) - expected).max() <= 1


def test_a_stream_that_changes_its_shape_is_followed() -> None:
    cropper = Cropper()
    for pixels, pixel_format in ((smooth(), "yuv420p"), (smooth(64, 48), "rgb24")):
        crop = cropper.render(frame_of(pixels, pixel_format), None, SIZE_PX)
        assert np.abs(crop.astype(int) - by_pillow(pixels, None)).max() <= 3


def test_each_crop_is_its_own() -> None:
    cropper = Cropper()
    black = cropper.render(frame_of(np.zeros((48, 64, 3), np.uint8), "rgb24"), None, 16)
    cropper.render(frame_of(np.full((48, 64, 3), 255, np.uint8), "rgb24"), None, 16)
    assert black.max() == 0
    assert black.flags.c_contiguous


def test_a_misfit_says_what_would_be_right() -> None:
    assert misfit(None, width_px=16, height_px=16) is None
    assert misfit(region(0, 0, 64, 48), width_px=64, height_px=48) is None
    assert misfit(region(1, 0, 64, 48), width_px=64, height_px=48) == (
        "region 64x48 at (1, 0) does not fit the 64x48 picture: x_px + width_px must be at most "
        "64 and y_px + height_px at most 48"
    )
