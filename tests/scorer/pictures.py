"""Pictures for tests: smooth colour fields with a part on them, not noise alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

Pixels = npt.NDArray[np.uint8]


def picture(seed: int, side_px: int = 240, *, noise: float = 4.0) -> Pixels:
    """A random smooth field with a little noise, (side_px, side_px, 3)."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)
    smooth = Image.fromarray(coarse).resize((side_px, side_px), Image.Resampling.BICUBIC)
    return _noisy(np.asarray(smooth, dtype=np.float64), rng, noise)


def part(seed: int, side_px: int = 240, *, scratched: bool = False) -> Pixels:
    """A round part on a belt; each seed is another frame of the same product."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:side_px, :side_px] / side_px - 0.5
    shift = rng.uniform(-0.01, 0.01, 2)
    inside = np.hypot(rows - shift[0], columns - shift[1]) < 0.35
    pixels = np.where(inside[..., None], [190.0, 180.0, 160.0], [60.0, 70.0, 80.0])
    if scratched:
        scratch = (np.abs(rows - columns) < 0.03) & (np.abs(rows + columns) < 0.4)
        pixels[scratch] = [20.0, 15.0, 10.0]
    return _noisy(pixels, rng, 2.0)


def _noisy(pixels: npt.NDArray[np.float64], rng: np.random.Generator, sigma: float) -> Pixels:
    noisy: Pixels = (pixels + rng.normal(0, sigma, pixels.shape)).clip(0, 255).astype(np.uint8)
    return noisy
