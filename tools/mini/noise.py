"""Noise fields, blur and lines on float images, through Pillow's C code."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw, ImageFilter

Field = NDArray[np.float32]
Mask = NDArray[np.bool_]
Rng = np.random.Generator


def f32(values: ArrayLike) -> Field:
    """The values as float32."""
    return np.asarray(values, np.float32)


def smooth(rng: Rng, side: int, cell: float, stretch: float = 1.0) -> Field:
    """Smooth noise [side, side] of unit deviation.

    Args:
        cell: size of a grain in pixels, vertically.
        stretch: horizontal grain size over the vertical one.
    """
    rows = max(2, round(side / cell) + 1)
    columns = max(2, round(side / (cell * stretch)) + 1)
    grid = rng.standard_normal((rows, columns), dtype=np.float32)
    field = np.asarray(Image.fromarray(grid).resize((side, side), Image.Resampling.BICUBIC))
    return f32((field - field.mean()) / (field.std() + 1e-6))


def fractal(rng: Rng, side: int, cell: float, octaves: int = 3) -> Field:
    """Sum of `octaves` noise fields, each of half the grain and 0.6 of the weight."""
    field = np.zeros((side, side), np.float32)
    for octave in range(octaves):
        field += 0.6**octave * smooth(rng, side, max(1.0, cell / 2**octave))
    return f32(field / field.std())


def blur(field: Field, radius: float) -> Field:
    """Gaussian blur of a field in 0..1, at eight bits; `radius` in pixels."""
    image = Image.fromarray((field.clip(0, 1) * 255).astype(np.uint8))
    done = np.asarray(image.filter(ImageFilter.GaussianBlur(radius)), np.float32)
    return f32(done / 255)


def line(side: int, points: Sequence[tuple[float, float]], width: float) -> Field:
    """Coverage 0..1 [side, side] of a polyline of (x, y) points, `width` pixels wide."""
    scale = 3
    low = [max(0, int(min(p[axis] for p in points) - width - 3)) for axis in (0, 1)]
    high = [min(side, int(max(p[axis] for p in points) + width + 3)) for axis in (0, 1)]
    field = np.zeros((side, side), np.float32)
    columns, rows = high[0] - low[0], high[1] - low[1]
    if columns <= 0 or rows <= 0:
        return field
    image = Image.new("L", (columns * scale, rows * scale))
    inner = [((x - low[0]) * scale, (y - low[1]) * scale) for x, y in points]
    ImageDraw.Draw(image).line(inner, 255, max(1, round(width * scale)), joint="curve")
    small = image.resize((columns, rows), Image.Resampling.BOX)
    field[low[1] : high[1], low[0] : high[0]] = np.asarray(small, np.float32) / 255
    return field
