"""Preprocessing as CLIP was trained, and pictures that are refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image

from contract.errors import ImageError
from scorer.windows.pixels import Preprocessor
from tests.scorer.pictures import picture

MEAN, STD = open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD
LIKE = torch.empty(0)


@pytest.fixture(scope="module")
def preprocess() -> Preprocessor:
    return Preprocessor(MEAN, STD)


def test_a_picture_of_the_right_size_is_only_normalised(preprocess: Preprocessor) -> None:
    pixels = picture(1)
    expected = (pixels / 255.0 - np.array(MEAN)) / np.array(STD)
    found = preprocess([pixels], LIKE, 240)
    assert found.shape == (1, 3, 240, 240)
    np.testing.assert_allclose(found[0].permute(1, 2, 0).numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("size", [(480, 480), (300, 500), (100, 100), (241, 240)])
def test_resizing_is_within_a_grey_level_of_pillows(
    preprocess: Preprocessor, size: tuple[int, int]
) -> None:
    image = Image.fromarray(picture(2)).resize(size[::-1], Image.Resampling.BILINEAR)
    pillow = np.asarray(image.resize((240, 240), Image.Resampling.BICUBIC), dtype=np.float64)
    found = preprocess([np.asarray(image)], LIKE, 240)[0].permute(1, 2, 0).numpy()
    back = (found * np.array(STD) + np.array(MEAN)) * 255.0
    assert np.abs(back - pillow).max() <= 2.0
    assert np.abs(back - pillow).mean() <= 0.5


def test_an_array_and_a_list_are_the_same(preprocess: Preprocessor) -> None:
    batch = np.stack([picture(1), picture(2)])
    torch.testing.assert_close(preprocess(batch, LIKE, 240), preprocess(list(batch), LIKE, 240))


def test_pictures_of_different_sizes(preprocess: Preprocessor) -> None:
    found = preprocess([picture(1), picture(2, 120)], LIKE, 240)
    assert found.shape == (2, 3, 240, 240)


def test_a_read_only_picture(preprocess: Preprocessor) -> None:
    """Pixels come from the wire as a read-only tiling."""
    pixels = np.frombuffer(picture(1).tobytes(), np.uint8).reshape(240, 240, 3)
    torch.testing.assert_close(preprocess([pixels], LIKE, 240), preprocess([picture(1)], LIKE, 240))


def test_dtype(preprocess: Preprocessor) -> None:
    like = torch.empty(0, dtype=torch.bfloat16)
    assert preprocess([picture(1)], like, 240).dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("images", "complaint"),
    [
        ([], "no image given"),
        (np.empty((0, 240, 240, 3), np.uint8), "no image given"),
        ([np.zeros((240, 240), np.uint8)], r"\(240, 240\) and dtype uint8"),
        ([np.zeros((240, 240, 4), np.uint8)], r"\(240, 240, 4\)"),
        ([np.zeros((240, 240, 3), np.float32)], "dtype float32"),
        ([np.zeros((240, 240, 3), np.uint16)], "dtype uint16"),
        ([np.zeros((0, 240, 3), np.uint8)], r"\(0, 240, 3\)"),
        (np.zeros((240, 240, 3), np.uint8), r"\(240, 3\)"),
        (np.zeros((1, 3, 240, 240), np.uint8), r"\(3, 240, 240\)"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_refused(preprocess: Preprocessor, images: Any, complaint: str) -> None:
    with pytest.raises(ImageError, match=complaint):
        preprocess(images, LIKE, 240)
