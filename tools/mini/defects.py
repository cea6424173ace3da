"""Eight kinds of defect, painted into an image with their mask."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tools.mini.noise import Field, Mask, Rng, blur, f32, fractal, line, smooth


@dataclass(frozen=True)
class Scene:
    """What a defect may touch.

    Attributes:
        image: [H, W, 3] in 0..1.
        solid: coverage of the part, or ones on a texture, [H, W] in 0..1.
        edge: distance to the outline in pixels, negative inside, [H, W].
        behind: what shows where the part is missing, [H, W, 3].
    """

    image: Field
    solid: Field
    edge: Field
    behind: Field


Painted = tuple[Field, Field]
"""Image [H, W, 3] and strength of the defect [H, W] in 0..1."""


def _place(rng: Rng, allowed: Mask) -> tuple[float, float]:
    """A random (x, y) where `allowed`, away from the border of the canvas."""
    border = len(allowed) // 5
    rows, columns = np.nonzero(allowed[border:-border, border:-border])
    if len(rows) == 0:
        return len(allowed) / 2, len(allowed) / 2
    pick = rng.integers(len(rows))
    return float(columns[pick] + border), float(rows[pick] + border)


def _blob(rng: Rng, side: int, x: float, y: float, size: float, rough: float) -> Field:
    """Signed field in pixels, positive inside an irregular blob of radius `size` at (x, y)."""
    rows, columns = np.mgrid[:side, :side].astype(np.float32)
    turn, squash = rng.uniform(0, np.pi), rng.uniform(0.6, 1.0)
    u = (columns - x) * np.cos(turn) + (rows - y) * np.sin(turn)
    v = -(columns - x) * np.sin(turn) + (rows - y) * np.cos(turn)
    radius = np.hypot(u, v / squash)
    waves = smooth(rng, side, max(3.0, size * 0.6))
    return f32(size - radius + rough * size * waves)


def _mix(image: Field, colour: Field, alpha: Field) -> Field:
    a = alpha[..., None]
    return f32(np.clip(image * (1 - a) + colour * a, 0, 1))


def _size(rng: Rng, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _path(
    rng: Rng, start: tuple[float, float], length: float, bend: float
) -> list[tuple[float, float]]:
    angle, points = rng.uniform(0, 2 * np.pi), [start]
    steps = max(4, int(length / 4))
    for _ in range(steps):
        angle += rng.normal(0, bend)
        x, y = points[-1]
        points.append((x + np.cos(angle) * length / steps, y + np.sin(angle) * length / steps))
    return points


def scratch(rng: Rng, scene: Scene) -> Painted:
    side, image, mask = len(scene.solid), scene.image, np.zeros_like(scene.solid)
    for _ in range(rng.integers(1, 4)):
        points = _path(rng, _place(rng, scene.solid > 0.9), _size(rng, 18, 90), 0.04)
        width = rng.uniform(0.9, 2.6)
        alpha = line(side, points, width) * scene.solid
        lean = [(x + 1.2, y + 1.2) for x, y in points]
        shadow = line(side, lean, width) * scene.solid
        sign = rng.choice([-1, 1])
        change = sign * rng.uniform(0.18, 0.5)
        image = (image + (change * alpha - 0.4 * change * shadow)[..., None]).clip(0, 1)
        mask = np.maximum(mask, alpha)
    return image, mask


def crack(rng: Rng, scene: Scene) -> Painted:
    side, start = len(scene.solid), _place(rng, scene.solid > 0.9)
    trunk = _path(rng, start, _size(rng, 25, 100), 0.5)
    width = rng.uniform(1.0, 3.0)
    alpha = line(side, trunk, width)
    for _ in range(rng.integers(0, 4)):
        root = trunk[rng.integers(len(trunk))]
        branch = _path(rng, root, _size(rng, 10, 35), 0.5)
        alpha = np.maximum(alpha, line(side, branch, width * 0.7))
    alpha = alpha * scene.solid * rng.uniform(0.65, 1.0)
    return _mix(scene.image, scene.image * rng.uniform(0.05, 0.35), alpha), alpha


def hole(rng: Rng, scene: Scene) -> Painted:
    x, y = _place(rng, scene.solid > 0.9)
    size = _size(rng, 2.5, 12)
    field = _blob(rng, len(scene.solid), x, y, size, 0.12)
    alpha = (field + 0.5).clip(0, 1) * scene.solid
    rim = np.exp(-((field / 1.5) ** 2)) * scene.solid * rng.uniform(-0.2, 0.25)
    through = scene.behind * 0.7 if rng.random() < 0.4 else scene.image * rng.uniform(0.05, 0.35)
    image = _mix(scene.image, through, alpha) + rim[..., None]
    return image.clip(0, 1), np.maximum(alpha, np.abs(rim) * 3).clip(0, 1)


def stain(rng: Rng, scene: Scene) -> Painted:
    x, y = _place(rng, scene.solid > 0.9)
    size = _size(rng, 6, 26)
    field = _blob(rng, len(scene.solid), x, y, size, 0.25)
    alpha = (field / rng.uniform(1.5, 6)).clip(0, 1) * scene.solid * rng.uniform(0.4, 0.85)
    dark = scene.image * rng.uniform(0.2, 0.6, 3)
    light = 1 - (1 - scene.image) * rng.uniform(0.3, 0.7, 3)
    colour = dark if rng.random() < 0.7 else light
    return _mix(scene.image, f32(colour), alpha), alpha


def dent(rng: Rng, scene: Scene) -> Painted:
    x, y = _place(rng, scene.solid > 0.9)
    size, side = _size(rng, 6, 20), len(scene.solid)
    field = _blob(rng, side, x, y, size, 0.08)
    bowl = np.tanh(np.maximum(field, 0) / (size * 0.5)).astype(np.float32)
    down, right = np.gradient(blur(bowl, 1.5))
    turn = rng.uniform(0, 2 * np.pi)
    slope = (np.cos(turn) * right + np.sin(turn) * down) * size
    change = slope * rng.uniform(0.25, 0.6) * scene.solid
    image = (scene.image + change[..., None]).clip(0, 1)
    return f32(image), f32((np.abs(change) * 5).clip(0, 1))


def chip(rng: Rng, scene: Scene) -> Painted:
    near = np.abs(scene.edge) < 3
    x, y = _place(rng, near if near.any() else scene.solid > 0.9)
    field = _blob(rng, len(scene.solid), x, y, _size(rng, 6, 20), 0.2)
    alpha = (field + 0.5).clip(0, 1) * scene.solid
    rim = np.exp(-((field / 1.5) ** 2)) * scene.solid * rng.uniform(-0.25, 0.25)
    image = (_mix(scene.image, scene.behind, alpha) + rim[..., None]).clip(0, 1)
    return image, np.maximum(alpha, np.abs(rim) * 3).clip(0, 1)


def rust(rng: Rng, scene: Scene) -> Painted:
    x, y = _place(rng, scene.solid > 0.9)
    side = len(scene.solid)
    field = _blob(rng, side, x, y, _size(rng, 8, 30), 0.3)
    speckle = fractal(rng, side, 5, 3)
    alpha = ((field / 5).clip(0, 1) * (0.55 + 0.45 * speckle).clip(0, 1)) * scene.solid
    brown = np.array([0.5, 0.25, 0.1], np.float32) * rng.uniform(0.5, 1.3)
    colour = (brown + 0.08 * speckle[..., None]).clip(0, 1)
    return _mix(scene.image, colour, alpha * rng.uniform(0.6, 0.95)), f32(alpha)


def contamination(rng: Rng, scene: Scene) -> Painted:
    side, image, mask = len(scene.solid), scene.image, np.zeros_like(scene.solid)
    colour = rng.uniform(0, 1, 3).astype(np.float32)
    x, y = _place(rng, scene.solid > 0.9)
    for _ in range(rng.integers(1, 7)):
        spot = (x + rng.normal(0, 12), y + rng.normal(0, 12))
        if rng.random() < 0.35:
            alpha = line(side, _path(rng, spot, _size(rng, 12, 45), 0.35), rng.uniform(1, 2.2))
        else:
            alpha = (_blob(rng, side, *spot, _size(rng, 2, 7), 0.2) + 0.5).clip(0, 1)
        alpha = alpha * scene.solid
        image = _mix(image * (1 - 0.35 * blur(alpha, 2))[..., None], colour, alpha)
        mask = np.maximum(mask, alpha)
    return image, mask


PAINTERS: dict[str, Callable[[Rng, Scene], Painted]] = {
    "scratch": scratch,
    "crack": crack,
    "hole": hole,
    "stain": stain,
    "dent": dent,
    "chip": chip,
    "rust": rust,
    "contamination": contamination,
}


def paint(rng: Rng, scene: Scene, kind: str) -> tuple[Field, Field]:
    """Paint one defect that can be seen.

    Args:
        rng: random numbers.
        scene: what is there.
        kind: a key of `PAINTERS`.

    Returns:
        Image [H, W, 3] in 0..1 and mask [H, W] of zeros and ones: pixels that changed by at
        least 0.06 in a channel and belong to the defect.
    """
    for _ in range(4):
        image, strength = PAINTERS[kind](rng, scene)
        change = np.abs(image - scene.image).max(axis=2)
        mask = (strength > 0.15) & (change > 0.06)
        if mask.sum() >= 12:
            return f32(image), f32(mask)
    return f32(image), f32(mask)
