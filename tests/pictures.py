"""Pictures that tests make for themselves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image


def picture(
    size: tuple[int, int] = (240, 240), *, seed: int = 0, spot: bool = False
) -> npt.NDArray[np.uint8]:
    """A smooth pattern (H, W, 3), uint8; `spot` puts a bright square in its middle.

    Args:
        size: width and height in pixels.
    """
    width, height = size
    rng = np.random.default_rng(seed)
    coarse = rng.integers(60, 190, (6, 6, 3), dtype=np.uint8)
    pixels = np.array(Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC))
    if spot:
        y, x, side = height // 2, width // 2, min(size) // 6
        pixels[y - side : y + side, x - side : x + side] = (255, 240, 20)
    return pixels


def save_picture(
    path: Path, *, mode: str = "RGB", size: tuple[int, int] = (240, 240), spot: bool = False
) -> Path:
    """Save `picture` to `path` in a Pillow mode."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture(size, spot=spot)).convert(mode).save(path)
    return path


def save_shots(folder: Path, count: int) -> Path:
    """Save `count` pictures in `folder`, in the order in which a camera gives them.

    Every sixth has a spot.
    """
    for number in range(count):
        save_picture(folder / f"{number:02}.png", spot=number % 6 == 5)
    return folder
