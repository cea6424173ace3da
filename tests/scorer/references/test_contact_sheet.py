"""Small pictures of what was taught: that they show it, and stay small."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from scorer.references.contact_sheet import (
    MAX_ON_SHEET,
    SHEET,
    SIDE_PX,
    Caption,
    pictures,
    reference_file,
)
from tests.scorer.pictures import Pixels, part


def opened(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content)).convert("RGB")


def test_each_reference_is_kept_small_and_recognisable() -> None:
    images = [part(1, 480), part(2, 240)]
    files = pictures(images, [Caption("a"), Caption("b")], "two")
    assert sorted(files) == [SHEET, reference_file(0), reference_file(1)]
    for index, image in enumerate(images):
        kept = opened(files[reference_file(index)])
        assert max(kept.size) <= SIDE_PX
        assert len(files[reference_file(index)]) < 60_000
        whole = np.asarray(Image.fromarray(image).resize(kept.size), dtype=float)
        assert np.abs(np.asarray(kept, dtype=float) - whole).mean() < 6


def test_the_sheet_shows_every_one_and_frames_the_odd_one() -> None:
    greys: list[Pixels] = [
        np.full((64, 64, 3), level, np.uint8) for level in (40, 90, 140, 190, 240)
    ]
    captions = [Caption(f"p[{n}].png", "against the others 0.1", n == 2) for n in range(5)]
    sheet = np.asarray(opened(pictures(greys, captions, "line belt")[SHEET]))
    for level in (40, 90, 140, 190, 240):
        assert (sheet == level).all(axis=2).sum() > 60 * 60
    red = (sheet == (0xD1, 0x34, 0x3A)).all(axis=2)
    rows, columns = np.nonzero(red)
    level_rows, level_columns = np.nonzero((sheet == 140).all(axis=2))
    assert rows.min() < level_rows.min()
    assert columns.min() < level_columns.min()


def test_hundreds_of_references_do_not_make_a_giant_sheet() -> None:
    images: list[Pixels] = [np.full((20, 20, 3), 9, np.uint8)] * (MAX_ON_SHEET + 20)
    files = pictures(images, [Caption("x" * 200)] * len(images), "y" * 300)
    assert len(files) == len(images) + 1
    assert max(opened(files[SHEET]).size) < 5000
