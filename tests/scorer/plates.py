"""A small data set: parts, and parts with a square burnt into them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from tests.scorer.pictures import part

SIDE = 240


def write_plates(home: Path) -> Path:
    """In the layout of MVTec-AD, with masks: 3 pictures to learn from, 4 good, 4 bad."""
    for number in range(3):
        save(part(number), home / "train" / "good" / f"{number}.png")
    for number in range(4):
        save(part(10 + number), home / "test" / "good" / f"{number}.png")
        bad, mask = part(20 + number).copy(), np.zeros((SIDE, SIDE), np.uint8)
        where = slice(80 + 10 * number, 128 + 10 * number)
        bad[where, where] = 255 - bad[where, where]
        mask[where, where] = 255
        save(bad, home / "test" / "burnt" / f"{number}.png")
        save(mask, home / "ground_truth" / "burnt" / f"{number}_mask.png")
    return home


def save(picture: npt.NDArray[np.uint8], path: Path) -> None:
    """Write a picture, with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path)
