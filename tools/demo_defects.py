"""The six defects of the demo parts, each a change to a part's surface."""

from collections.abc import Callable
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from tools.demo_parts import (
    CANVAS,
    FACE_PX,
    HALF_PX,
    OUTER_PX,
    RADIUS,
    SCALE,
    Plane,
    Pose,
    Surface,
    X,
    Y,
    blotches,
    inside,
    ramp,
)

Box: TypeAlias = tuple[float, float, float, float]
Defect: TypeAlias = Callable[[Surface, Pose, np.random.Generator], Plane]


def _anywhere(rng: np.random.Generator) -> float:
    """An angle around the ring."""
    return float(rng.uniform(0, 2 * np.pi))


def _offset(radius_px: float, angle: float) -> tuple[Plane, Plane]:
    """Coordinates from the point at this radius and angle."""
    x, y = np.float32(radius_px * np.cos(angle)), np.float32(radius_px * np.sin(angle))
    return X - x, Y - y


def _turned(x: Plane, y: Plane, angle: float) -> tuple[Plane, Plane]:
    """The same coordinates along and across a direction."""
    c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return x * c + y * s, y * c - x * s


def scratch(surface: Surface, pose: Pose, rng: np.random.Generator) -> Plane:
    """A long gouge across the face: a dark groove between two raised bright lips."""
    angle = _anywhere(rng)
    half = rng.uniform(44.0, 54.0)
    x, y = _offset(FACE_PX, angle)
    along, across = _turned(x, y, angle + np.pi / 2 + rng.choice([-1, 1]) * rng.uniform(0.35, 0.6))
    across = across - np.float32(rng.uniform(-0.0016, 0.0016)) * along * along
    taper = np.clip(1.0 - np.abs(along / half) ** 3, 0.0, 1.0)
    width = 0.6 + 2.2 * np.sqrt(taper)
    groove = taper * np.exp(-((across / width) ** 2))
    lips = taper * np.exp(-(((np.abs(across) - 2.1 * width) / (0.75 * width)) ** 2))
    surface.height += (0.5 * lips - 1.0 * groove).astype(np.float32)
    surface.tint *= (1.0 - 0.74 * groove) * (1.0 + 0.45 * lips)
    mask: Plane = np.maximum(groove, lips)
    return mask


def dent(surface: Surface, pose: Pose, rng: np.random.Generator) -> Plane:
    """A smooth hollow: dark on the side of the light, bright on the far side."""
    angle = _anywhere(rng)
    x, y = _offset(FACE_PX, angle)
    along, across = _turned(x, y, rng.uniform(0, np.pi))
    size = rng.uniform(12.5, 14.5)
    distance = np.hypot(along / np.float32(size * 1.15), across / np.float32(size / 1.1))
    distance = distance * (1.0 + 0.05 * blotches(rng, 20.0))
    hollow: Plane = np.exp(-(distance**3))
    surface.height -= (17.0 * hollow).astype(np.float32)
    surface.tint *= 1.0 - 0.08 * hollow
    surface.rough = np.maximum(surface.rough, 0.40 * hollow)
    return hollow


def stain(surface: Surface, pose: Pose, rng: np.random.Generator) -> Plane:
    """A brown stain with a ragged outline and a few specks around it."""
    angle = _anywhere(rng)
    x, y = _offset(rng.uniform(88.0, 98.0), angle)
    along, across = _turned(x, y, rng.uniform(0, np.pi))
    size = rng.uniform(21.0, 26.0)
    closeness = 1.0 - np.hypot(along / np.float32(size * 1.2), across / np.float32(size * 0.85))
    ragged = closeness + 0.16 * blotches(rng, 9.0) + 0.10 * blotches(rng, 3.5)
    soiled = ramp(ragged, 0.0, 0.42) * ramp(closeness, -0.7, -0.1)
    surface.stain = np.maximum(surface.stain, (0.92 * soiled).astype(np.float32))
    surface.tint *= 1.0 - 0.16 * ramp(ragged, -0.2, 0.3) * ramp(closeness, -0.7, 0.0)
    return soiled


def _crack_path(angle: float, rng: np.random.Generator) -> list[tuple[float, float]]:
    """Corners of a jagged line from the rim inwards, in canvas pixels."""
    radii = np.linspace(OUTER_PX + 1.0, rng.uniform(64.0, 70.0), 11)
    swerve = np.cumsum(rng.uniform(-1, 1, len(radii)) * 3.4)
    swerve += np.where(np.arange(len(radii)) % 2 == 0, 1.3, -1.3)
    angles = angle + (swerve - swerve[0]) / radii
    xs, ys = radii * np.cos(angles) + HALF_PX, radii * np.sin(angles) + HALF_PX
    return [(float(x) * SCALE, float(y) * SCALE) for x, y in zip(xs, ys, strict=True)]


def crack(surface: Surface, pose: Pose, rng: np.random.Generator) -> Plane:
    """A jagged dark line from the rim inwards with one side branch, widest at the rim."""
    path = _crack_path(_anywhere(rng), rng)
    picture = Image.new("L", (CANVAS, CANVAS))
    draw = ImageDraw.Draw(picture)
    for index, (start, end) in enumerate(pairwise(path)):
        width_px = 4.4 * (1.0 - 0.75 * index / len(path))
        draw.line([start, end], fill=255, width=round(width_px * SCALE))
        radius = width_px * SCALE / 2
        draw.ellipse([end[0] - radius, end[1] - radius, end[0] + radius, end[1] + radius], fill=255)
    (x, y), (past_x, past_y) = path[4], path[7]
    side = float(rng.choice([-1.0, 1.0]))
    tip = (past_x - side * 0.55 * (past_y - y), past_y + side * 0.55 * (past_x - x))
    draw.line([(x, y), tip], fill=255, width=round(2.0 * SCALE))
    sharp = np.asarray(picture.filter(ImageFilter.GaussianBlur(1.5)), np.float32) / 255.0
    wide = np.asarray(picture.filter(ImageFilter.GaussianBlur(6.0)), np.float32) / 255.0
    surface.height -= 1.6 * wide
    surface.tint *= (1.0 - 0.86 * sharp) * (1.0 - 0.25 * wide)
    return sharp * surface.cover


def chip(surface: Surface, pose: Pose, rng: np.random.Generator) -> Plane:
    """A bite out of the rim with a rough, dull fracture along it."""
    angle = _anywhere(rng)
    x, y = _offset(OUTER_PX + 5.0, angle)
    along, across = _turned(x, y, angle)
    across = across * np.float32(rng.uniform(0.78, 0.92))
    bite = rng.uniform(26.0, 30.0) + 1.7 * blotches(rng, 12.0) + 0.35 * blotches(rng, 5.0)
    distance = np.hypot(along, across) - bite
    whole = surface.cover.copy()
    surface.cover *= inside(distance)
    fracture = (1.0 - ramp(distance, 4.0, 7.0)) * inside(OUTER_PX - RADIUS)
    surface.height -= (3.0 * fracture + 0.22 * fracture * blotches(rng, 4.0)).astype(np.float32)
    surface.rough = np.maximum(surface.rough, fracture.astype(np.float32))
    surface.tint *= 1.0 + 0.07 * fracture * blotches(rng, 3.0)
    mask: Plane = np.maximum(whole - surface.cover, fracture * whole)
    return mask


def pit(surface: Surface, pose: Pose, rng: np.random.Generator) -> Plane:
    """A round hole burnt into the glaze, dark inside."""
    x, y = _offset(rng.uniform(88.0, 104.0), _anywhere(rng))
    distance = np.hypot(x, y) * (1.0 + 0.06 * blotches(rng, 8.0)) - np.float32(
        rng.uniform(10.0, 12.0)
    )
    hole = inside(-distance)
    surface.height -= (3.0 * (1.0 - ramp(distance, -3.0, 3.0))).astype(np.float32)
    surface.tint *= 1.0 - 0.82 * hole
    return hole


DEFECTS: dict[str, Defect] = {
    "scratch": scratch,
    "dent": dent,
    "stain": stain,
    "crack": crack,
    "chipped_edge": chip,
    "pit": pit,
}


def box_of(mask: Plane) -> Box:
    """Left, top, right and bottom of a defect, px from the part's centre."""
    rows, columns = np.nonzero(mask > 0.3)
    left, right = float(columns.min()), float(columns.max() + 1)
    top, bottom = float(rows.min()), float(rows.max() + 1)
    edges = (left, top, right, bottom)
    x0, y0, x1, y1 = (edge / SCALE - HALF_PX for edge in edges)
    return x0, y0, x1, y1
