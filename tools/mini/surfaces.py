"""Textures: families draw their parameters once and render any number of views."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tools.mini.noise import Field, Rng, blur, f32, fractal, smooth

Height = Callable[[Rng, Field, Field], Field]
"""(rng of the view, x, y in pixels with a random origin) to brightness around 0."""


@dataclass(frozen=True)
class Surface:
    """One textured material.

    Attributes:
        name: the word of its captions.
        height: brightness of a view, [H, W].
        colour: albedo 0..1, three values.
        second: colour where `height` is high, mixed in.
    """

    name: str
    height: Height
    colour: tuple[float, float, float]
    second: tuple[float, float, float]

    def view(self, rng: Rng, side: int, angle: float) -> Field:
        """Image [side, side, 3] in 0..1, of a random place, turned by `angle` radians."""
        y, x = np.mgrid[:side, :side].astype(np.float32)
        u = x * np.cos(angle) - y * np.sin(angle) + rng.uniform(0, 500)
        v = x * np.sin(angle) + y * np.cos(angle) + rng.uniform(0, 500)
        height = self.height(rng, u.astype(np.float32), v.astype(np.float32))
        mix = (0.5 + height).clip(0, 1)[..., None]
        first, second = np.array(self.colour), np.array(self.second)
        return f32(np.clip(first * (1 - mix) + second * mix, 0, 1))


def draw_colours(
    rng: Rng, spread: float
) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """A random albedo, and another that is lighter or darker by about `spread`."""
    base = rng.uniform(0.1, 0.85) + rng.uniform(-0.12, 0.12, 3)
    other = base + rng.choice([-1, 1]) * spread + rng.uniform(-0.05, 0.05, 3)
    a, b, c = base.clip(0.03, 0.97)
    d, e, f = other.clip(0.03, 0.97)
    return (a, b, c), (d, e, f)


def _side(u: Field) -> int:
    return len(u)


def carpet(rng: Rng) -> Surface:
    grain = rng.uniform(1.5, 4)

    def height(view: Rng, u: Field, v: Field) -> Field:
        return 0.3 * fractal(view, _side(u), grain, 2)

    return Surface("carpet", height, *draw_colours(rng, 0.35))


def wood(rng: Rng) -> Surface:
    pitch, bend = rng.uniform(8, 25), rng.uniform(0.5, 2)

    def height(view: Rng, u: Field, v: Field) -> Field:
        warp = bend * smooth(view, _side(u), 60) + 0.3 * smooth(view, _side(u), 12)
        rings = np.sin(v * 2 * np.pi / pitch + warp)
        return f32(0.3 * rings + 0.08 * smooth(view, _side(u), 1.5))

    dark = rng.uniform(0.3, 0.6)
    return Surface(
        "wood", height, (dark, dark * 0.7, dark * 0.45), (dark + 0.22, dark * 0.95, dark * 0.65)
    )


def tiles(rng: Rng) -> Surface:
    grain, amount = rng.uniform(3, 12), rng.uniform(0.1, 0.35)

    def height(view: Rng, u: Field, v: Field) -> Field:
        speckle = fractal(view, _side(u), grain)
        return f32(np.where(speckle > 0.8, amount * 2, amount * 0.3 * speckle))

    return Surface("tile", height, *draw_colours(rng, 0.4))


def grid(rng: Rng) -> Surface:
    pitch, wire = rng.uniform(14, 32), rng.uniform(0.7, 0.93)

    def height(view: Rng, u: Field, v: Field) -> Field:
        lines = np.maximum(np.cos(u * 2 * np.pi / pitch), np.cos(v * 2 * np.pi / pitch))
        sharp = np.tanh(8 * (lines - wire))
        return f32(0.4 * sharp + 0.04 * smooth(view, _side(u), 2))

    return Surface("grid", height, *draw_colours(rng, 0.5))


def brushed(rng: Rng) -> Surface:
    stretch, amount = rng.uniform(8, 40), rng.uniform(0.1, 0.25)

    def height(view: Rng, u: Field, v: Field) -> Field:
        return amount * smooth(view, _side(u), 1.5, stretch) + 0.1 * smooth(view, _side(u), 90)

    shade = rng.uniform(0.35, 0.7)
    return Surface("metal", height, (shade, shade, shade), (shade + 0.2, shade + 0.2, shade + 0.22))


def fabric(rng: Rng) -> Surface:
    a, b, soft = rng.uniform(5, 14), rng.uniform(5, 14), rng.uniform(0.5, 3)

    def height(view: Rng, u: Field, v: Field) -> Field:
        weave = np.sin(u * 2 * np.pi / a) * np.sin(v * 2 * np.pi / b)
        return f32(0.3 * np.tanh(soft * weave) + 0.08 * smooth(view, _side(u), 2))

    return Surface("fabric", height, *draw_colours(rng, 0.35))


def concrete(rng: Rng) -> Surface:
    coarse, amount = rng.uniform(15, 60), rng.uniform(0.06, 0.16)

    def height(view: Rng, u: Field, v: Field) -> Field:
        grain = 0.5 * smooth(view, _side(u), 1.5)
        return f32(amount * (fractal(view, _side(u), coarse, 5) + grain))

    return Surface("concrete", height, *draw_colours(rng, 0.35))


def cardboard(rng: Rng) -> Surface:
    pitch, amount = rng.uniform(6, 14), rng.uniform(0.03, 0.12)

    def height(view: Rng, u: Field, v: Field) -> Field:
        ribs = amount * np.sin(v * 2 * np.pi / pitch)
        return f32(ribs + 0.06 * smooth(view, _side(u), 2, 6))

    return Surface("cardboard", height, (0.6, 0.45, 0.3), (0.75, 0.6, 0.42))


def ceramic(rng: Rng) -> Surface:
    amount = rng.uniform(0.02, 0.1)

    def height(view: Rng, u: Field, v: Field) -> Field:
        return amount * smooth(view, _side(u), 120) + 0.02 * smooth(view, _side(u), 1.5)

    return Surface("ceramic", height, *draw_colours(rng, 0.4))


def stripes(rng: Rng) -> Surface:
    pitch, soft = rng.uniform(10, 40), rng.uniform(0.7, 4)

    def height(view: Rng, u: Field, v: Field) -> Field:
        field = 0.35 * np.tanh(soft * np.sin(u * 2 * np.pi / pitch))
        return f32(field + 0.04 * smooth(view, _side(u), 2))

    return Surface("rubber", height, *draw_colours(rng, 0.3))


def leather(rng: Rng) -> Surface:
    cell = rng.uniform(6, 11)

    def height(view: Rng, u: Field, v: Field) -> Field:
        creases = np.abs(fractal(view, _side(u), cell, 2))
        return f32(0.45 * np.tanh(2.5 * creases) - 0.25)

    shade = rng.uniform(0.2, 0.5)
    return Surface(
        "leather",
        height,
        (shade * 0.6, shade * 0.4, shade * 0.3),
        (shade * 1.2, shade * 0.85, shade * 0.6),
    )


def mesh(rng: Rng) -> Surface:
    pitch = rng.uniform(11, 20)

    def height(view: Rng, u: Field, v: Field) -> Field:
        a, b = (u + v) * np.pi / pitch, (u - v) * np.pi / pitch
        return f32(0.45 * np.tanh(5 * (np.maximum(np.cos(a), np.cos(b)) - 0.75)))

    return Surface("mesh", height, *draw_colours(rng, 0.45))


SURFACES: tuple[Callable[[Rng], Surface], ...] = (
    carpet, wood, tiles, grid, brushed, fabric, concrete, cardboard, ceramic, stripes,
)  # fmt: skip
HELD_OUT_SURFACES: tuple[Callable[[Rng], Surface], ...] = (leather, mesh)
BELTS: tuple[Callable[[Rng], Surface], ...] = (
    carpet, fabric, ceramic, ceramic, stripes, concrete, grid, brushed,
)  # fmt: skip


def calm(surface: Surface, keep: float) -> Surface:
    """The same surface with `keep` of its contrast, for belts."""
    second = tuple(a + keep * (b - a) for a, b in zip(surface.colour, surface.second, strict=True))
    return Surface(surface.name, surface.height, surface.colour, (second[0], second[1], second[2]))


def shade(alpha: Field, shift: tuple[int, int], radius: float) -> Field:
    """Soft shadow 0..1 of a part: its coverage `alpha`, shifted (rows, columns) and blurred."""
    return blur(np.roll(alpha, shift, (0, 1)), radius)
