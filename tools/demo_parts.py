"""A machined flange ring drawn at three times the clip's resolution.

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
HOLE_CIRCLE_PX = 93.0
HOLE_PX = 11.0
HOLE_CHAMFER_PX = 2.5
NUM_HOLES = 6
LIGHT_X, LIGHT_Y = -0.6, -0.8
STEEL = np.array([0.985, 1.0, 1.025], dtype=np.float32)
RUST = np.array([0.50, 0.27, 0.13], dtype=np.float32)


def _axes() -> tuple[Plane, Plane]:
    axis = ((np.arange(CANVAS) + 0.5) / SCALE - HALF_PX).astype(np.float32)
    return np.broadcast_to(axis, (CANVAS, CANVAS)), np.broadcast_to(axis[:, None], (CANVAS, CANVAS))


X, Y = _axes()
RADIUS: Plane = np.hypot(X, Y)
ANGLE: Plane = np.arctan2(Y, X)


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
    """How one part differs from the next: rotation, tone and which holes were drilled."""

    rotation_rad: float
    tone: float
    holes: tuple[int, ...] = tuple(range(NUM_HOLES))

    def hole_centre(self, hole: int) -> tuple[float, float]:
        angle = self.rotation_rad + 2 * np.pi * hole / NUM_HOLES
        return float(HOLE_CIRCLE_PX * np.cos(angle)), float(HOLE_CIRCLE_PX * np.sin(angle))


@dataclass
class Surface:
    """A part before it is lit.

    Attributes:
        height: px above the face.
        cover: 0 where the belt shows, 1 where there is metal.
        tint: factor on the brightness, 1 for clean metal.
        rust: share of rust, 0 to 1.
        rough: 0 for turned metal, 1 for a torn surface without its sheen.
    """

    height: Plane
    cover: Plane
    tint: Plane = field(default_factory=lambda: np.ones((CANVAS, CANVAS), np.float32))
    rust: Plane = field(default_factory=lambda: np.zeros((CANVAS, CANVAS), np.float32))
    rough: Plane = field(default_factory=lambda: np.zeros((CANVAS, CANVAS), np.float32))


def good_surface(pose: Pose) -> Surface:
    """A flange ring without a defect."""
    height = -3.0 * ramp(RADIUS, OUTER_PX - 4.0, OUTER_PX)
    height -= 1.1 * np.exp(-(((RADIUS - 111.5) / 1.1) ** 2))
    height += 2.6 * (1.0 - ramp(RADIUS, 70.0, 74.0))
    height -= 3.0 * (1.0 - ramp(RADIUS, BORE_PX, BORE_PX + 4.0))
    cover = inside(OUTER_PX - RADIUS) * inside(RADIUS - BORE_PX)
    for hole in pose.holes:
        x, y = pose.hole_centre(hole)
        distance = np.hypot(X - np.float32(x), Y - np.float32(y))
        height -= 2.6 * (1.0 - ramp(distance, HOLE_PX, HOLE_PX + HOLE_CHAMFER_PX))
        cover *= inside(distance - HOLE_PX)
    return Surface(height.astype(np.float32), cover.astype(np.float32))


def _turning_marks(rng: np.random.Generator) -> Plane:
    """Concentric lathe marks, weak and a little uneven around the ring, deviation about 1."""
    rings = rng.standard_normal(int(OUTER_PX * SCALE) + 8).astype(np.float32)
    fine = np.convolve(rings, np.ones(3) / 3, mode="same") * 1.2
    coarse = np.convolve(rings, np.ones(13) / 13, mode="same") * 2.0
    position = np.clip(RADIUS * SCALE, 0, len(rings) - 1)
    marks = np.interp(position, np.arange(len(rings)), fine + coarse).astype(np.float32)
    return marks * (0.8 + 0.25 * blotches(rng, 40.0))


def _sheen() -> Plane:
    """The bow-tie highlight of turned metal: two lobes along the light, blurred by angle."""
    towards_light = np.arctan2(LIGHT_Y, LIGHT_X) + 0.12 * (RADIUS - 85.0) / 40.0
    off_axis = np.abs((ANGLE - towards_light + np.pi / 2) % np.pi - np.pi / 2)
    lobes = np.exp(-((off_axis / 0.36) ** 2)) + 0.45 * np.exp(-((off_axis / 0.85) ** 2))
    facing = 0.5 + 0.5 * np.cos(ANGLE - np.float32(np.arctan2(LIGHT_Y, LIGHT_X)))
    sheen: Plane = (lobes * (0.62 + 0.38 * facing)).astype(np.float32)
    return sheen


SHEEN: Plane = _sheen()


def light(surface: Surface, pose: Pose, rng: np.random.Generator) -> NDArray[np.float32]:
    """The lit part: (CANVAS, CANVAS, 3) float32, about 0 to 1, not multiplied by cover."""
    slope_y, slope_x = np.gradient(surface.height, 1.0 / SCALE)
    facing = np.tanh(-(slope_x * LIGHT_X + slope_y * LIGHT_Y) * 0.9)
    polished = 1.0 - np.maximum(surface.rust, surface.rough)
    value = 0.42 + 0.30 * facing + 0.32 * SHEEN * (0.15 + 0.85 * polished)
    value += 0.022 * _turning_marks(rng) * polished + 0.009 * blotches(rng, 9.0)
    value += 0.012 * blotches(rng, 70.0) + 0.02 * (-X - Y) / 120.0
    value *= surface.tint * np.float32(pose.tone)
    metal = value[..., None] * STEEL
    pitted = (0.55 + 0.75 * value + 0.13 * blotches(rng, 3.0))[..., None] * RUST
    share = surface.rust[..., None]
    lit: Plane = np.clip(metal * (1.0 - share) + pitted * share, 0.02, 1.0).astype(np.float32)
    return lit
