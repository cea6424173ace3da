"""Groups of views of one product: the unit of training, references beside test images."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tools.mini.defects import Scene, paint
from tools.mini.noise import Field, Rng, f32, smooth
from tools.mini.parts import Part
from tools.mini.surfaces import Surface, calm, shade
from tools.mini.vocabulary import KINDS

CANVAS = 304


@dataclass(frozen=True)
class View:
    """One rendered image.

    Attributes:
        image: uint8 [304, 304, 3].
        mask: uint8 [304, 304], 1 at defects.
        kind: index into `KINDS`, or -1 without a defect.
    """

    image: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    kind: int


Renderer = Callable[[Rng], Scene]


def part_renderer(rng: Rng, part: Part, belt: Surface) -> Renderer:
    """Views of one part on one belt; some products always lie straight, others anyhow."""
    turn, free = rng.uniform(0, 2 * np.pi), rng.random() < 0.35
    light, reach = rng.uniform(0, 2 * np.pi), rng.uniform(1, 6)
    belt, belt_turn = calm(belt, rng.uniform(0.25, 0.9)), rng.choice([0.0, np.pi / 2, 0.4])
    zoom, wander = rng.uniform(0.8, 1.5), rng.choice([4.0, 25.0])

    def render(view: Rng) -> Scene:
        angle = view.uniform(0, 2 * np.pi) if free else turn + view.normal(0, 0.03)
        y, x = np.mgrid[:CANVAS, :CANVAS].astype(np.float32)
        x = (x - CANVAS / 2 + view.uniform(-wander, wander)) / zoom
        y = (y - CANVAS / 2 + view.uniform(-wander, wander)) / zoom
        u = f32(x * np.cos(angle) + y * np.sin(angle))
        v = f32(-x * np.sin(angle) + y * np.cos(angle))
        edge = f32(part.distance(u, v) * zoom)
        solid = f32((0.5 - edge).clip(0, 1))
        behind = belt.view(view, CANVAS, belt_turn)
        shift = (round(reach * np.sin(light)), round(reach * np.cos(light)))
        behind = behind * (1 - 0.5 * shade(solid, shift, reach))[..., None]
        brightness = 1 + part.paint(u, v, edge) + part.grain * 0.06 * smooth(view, CANVAS, 1.7)
        brightness = brightness + part.gloss * _bevel(edge, part.bevel * zoom, light)
        surface = np.array(part.colour, np.float32) * brightness[..., None]
        image = behind * (1 - solid[..., None]) + surface * solid[..., None]
        return Scene(f32(image.clip(0, 1)), solid, edge, f32(behind))

    return render


def surface_renderer(rng: Rng, surface: Surface) -> Renderer:
    """Views of one texture that fills the image; torn places show a plain ground."""
    angle = rng.choice([0.0, 0.0, np.pi / 2, rng.uniform(0, np.pi)])
    ground = np.array(surface.colour, np.float32) * rng.uniform(0.2, 0.6)

    def render(view: Rng) -> Scene:
        image = surface.view(view, CANVAS, angle)
        whole = np.ones((CANVAS, CANVAS), np.float32)
        behind = (ground + 0.04 * smooth(view, CANVAS, 2)[..., None]).clip(0, 1)
        return Scene(image, whole, f32(-100 * whole), f32(behind))

    return render


def group(rng: Rng, render: Renderer, views: int, kinds: list[str]) -> list[View]:
    """Some normal views, then one defective view for each of `kinds`; `views` in all."""
    made = []
    for kind in [None] * (views - len(kinds)) + kinds:
        scene = render(rng)
        image, mask = scene.image, np.zeros((CANVAS, CANVAS), np.float32)
        if kind is not None:
            image, mask = paint(rng, scene, kind)
        found = -1 if kind is None else KINDS.index(kind)
        made.append(View((image * 255).astype(np.uint8), mask.astype(np.uint8), found))
    return made


def _bevel(edge: Field, width: float, light: float) -> Field:
    """Shading -1..1 of a rounded border `width` pixels wide, lit from `light` radians."""
    height = np.sqrt((1 - (1 + edge / width).clip(0, 1) ** 2).clip(0, 1))
    down, right = np.gradient(height)
    slope = (np.cos(light) * right + np.sin(light) * down) * width * 0.5
    return f32(np.clip(slope, -1, 1))
