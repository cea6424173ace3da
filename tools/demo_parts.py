"""A ceramic sealing ring drawn at three times the clip's resolution.

Every feature is a height field lit from the upper left, so that a chamfer, a dent and a
scratch are all shaded by the same rule. Coordinates are clip pixels from the part's centre,
x to the right and y down; arrays are (CANVAS, CANVAS) float32.
"""

from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Plane: TypeAlias = NDArray[np.float32]

SCALE = 3
HALF_PX = 150
CANVAS = 2 * HALF_PX * SCALE
OUTER_PX = 123.0
BORE_PX = 46.0
FACE_PX = 97.0
LIGHT_X, LIGHT_Y = -0.6, -0.8
GLAZE = np.array([1.0, 0.985, 0.95], dtype=np.float32)
STAIN = np.array([0.50, 0.27, 0.13], dtype=np.float32)


def _axes() -> tuple[Plane, Plane]:
    axis = ((np.arange(CANVAS) + 0.5) / SCALE - HALF_PX).astype(np.float32)
    return np.broadcast_to(axis, (CANVAS, CANVAS)), np.broadcast_to(axis[:, None], (CANVAS, CANVAS))


X, Y = _axes()
RADIUS: Plane = np.hypot(X, Y)


def ramp(values: Plane, low: float, high: float) -> Plane:
    """Smooth step: 0 at ``low``, 1 at ``high``."""
    unit = np.clip((values - np.float32(low)) / np.float32(high - low), 0.0, 1.0)
    smooth: Plane = unit * unit * (3.0 - 2.0 * unit)
    return smooth


def inside(distance: Plane) -> Plane:
    """Coverage, 0 to 1, of the pixels where a signed distance in px is positive."""
    coverage: Plane = np.clip(distance * SCALE + 0.5, 0.0, 1.0)
    return coverage


def blotches(rng: np.random.Generator, grain_px: float) -> Plane:
    """Smooth noise with lumps about ``grain_px`` wide, mean 0 and deviation 1."""
    cells = max(4, round(CANVAS / SCALE / grain_px))
    coarse = Image.fromarray(rng.standard_normal((cells, cells)).astype(np.float32))
    fine = np.asarray(coarse.resize((CANVAS, CANVAS), Image.Resampling.BICUBIC))
    noise: Plane = (fine - fine.mean()) / fine.std()
    return noise


@dataclass(frozen=True)
class Pose:
    """How one part differs from the next: how it lies, and the tone of its firing."""

    rotation_rad: float
    tone: float


@dataclass
class Surface:
    """A part before it is lit.

    Attributes:
        height: px above the face.
        cover: 0 where the belt shows, 1 where there is ceramic.
        tint: factor on the brightness, 1 for clean glaze.
        stain: share of stain, 0 to 1.
        rough: 0 for glaze, 1 for bare, broken body without its gloss.
    """

    height: Plane
    cover: Plane
    tint: Plane = field(default_factory=lambda: np.ones((CANVAS, CANVAS), np.float32))
    stain: Plane = field(default_factory=lambda: np.zeros((CANVAS, CANVAS), np.float32))
    rough: Plane = field(default_factory=lambda: np.zeros((CANVAS, CANVAS), np.float32))


def good_surface() -> Surface:
    """A sealing ring without a defect."""
    height = -3.0 * ramp(RADIUS, OUTER_PX - 6.0, OUTER_PX)
    height += 2.0 * (1.0 - ramp(RADIUS, 70.0, 78.0))
    height -= 3.0 * (1.0 - ramp(RADIUS, BORE_PX, BORE_PX + 5.0))
    cover = inside(OUTER_PX - RADIUS) * inside(RADIUS - BORE_PX)
    return Surface(height.astype(np.float32), cover.astype(np.float32))


def light(surface: Surface, pose: Pose, rng: np.random.Generator) -> NDArray[np.float32]:
    """The lit part: (CANVAS, CANVAS, 3) float32, about 0 to 1, not multiplied by cover."""
    slope_y, slope_x = np.gradient(surface.height, 1.0 / SCALE)
    facing = np.tanh(-(slope_x * LIGHT_X + slope_y * LIGHT_Y) * 0.9)
    value = 0.70 + 0.22 * facing + 0.02 * (-X - Y) / 120.0 - 0.16 * surface.rough
    value += 0.006 * blotches(rng, 9.0) + 0.010 * blotches(rng, 70.0)
    value *= surface.tint * np.float32(pose.tone)
    glazed = value[..., None] * GLAZE
    stained = (0.45 + 0.35 * value + 0.10 * blotches(rng, 3.0))[..., None] * STAIN
    share = surface.stain[..., None]
    lit: Plane = np.clip(glazed * (1.0 - share) + stained * share, 0.02, 1.0).astype(np.float32)
    return lit
