"""Textures made of cells, bricks, holes and stitches; see `tools.mini.surfaces` for the rest."""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

from tools.mini.noise import Field, Rng, f32, fractal, smooth
from tools.mini.surfaces import Surface, draw_colours

TURN = 2 * np.pi


def hashed(salt: float, *places: Field) -> Field:
    """A number 0..1 for each whole place, the same wherever that place is seen with this salt."""
    mixed = sum(place * factor for place, factor in zip(places, (12.9898, 78.233), strict=False))
    return f32(np.modf(np.abs(np.sin(np.asarray(mixed, np.float64) + salt) * 43758.5453))[0])


def cells(salt: float, u: Field, v: Field, pitch: float) -> tuple[Field, Field, Field]:
    """Voronoi cells of one random point in each square of `pitch` pixels.

    Returns:
        Distance to the nearest and to the second nearest point, in units of `pitch`, and a random
        number 0..1 of the nearest cell, each [H, W].
    """
    u, v = f32(u / pitch), f32(v / pitch)
    column, row = np.floor(u), np.floor(v)
    first, second, owner = np.full_like(u, 9), np.full_like(u, 9), np.zeros_like(u)
    for across in (-1, 0, 1):
        for down in (-1, 0, 1):
            x, y = f32(column + across), f32(row + down)
            away = f32(np.hypot(x + hashed(salt, x, y) - u, y + hashed(salt + 1, x, y) - v))
            nearer = away < first
            second = np.where(nearer, first, np.minimum(second, away))
            owner = np.where(nearer, hashed(salt + 2, x, y), owner)
            first = np.where(nearer, away, first)
    return first, second, owner


def pebbles(rng: Rng) -> Surface:
    pitch, joint, amount = rng.uniform(10, 34), rng.uniform(0.04, 0.2), rng.uniform(0.1, 0.4)

    def height(view: Rng, u: Field, v: Field) -> Field:
        first, second, shade = cells(view.uniform(0, 100), u, v, pitch)
        gap = np.tanh((second - first) / joint)
        return f32(amount * (shade - 0.5) + 0.3 * gap - 0.3 + 0.05 * smooth(view, len(u), 2))

    return Surface("stone", height, *draw_colours(rng, 0.4))


def sponge(rng: Rng) -> Surface:
    pitch, deep = rng.uniform(7, 24), rng.uniform(0.3, 0.9)

    def height(view: Rng, u: Field, v: Field) -> Field:
        first, _, size = cells(view.uniform(0, 100), u, v, pitch)
        pore = 1 / (1 + np.exp((first - 0.15 - 0.3 * size) * 14))
        return f32(0.2 - deep * pore + 0.05 * smooth(view, len(u), 2))

    return Surface("sponge", height, *draw_colours(rng, 0.35))


def bricks(rng: Rng) -> Surface:
    wide, flat = rng.uniform(26, 60), rng.uniform(0.3, 0.6)
    joint, amount, shift = rng.uniform(1, 4), rng.uniform(0.05, 0.3), rng.choice([0, 0.5, 0.33])

    def height(view: Rng, u: Field, v: Field) -> Field:
        row = np.floor(v / (wide * flat))
        across = u / wide + shift * row
        column = np.floor(across)
        edge = np.minimum(
            wide * np.abs(across - np.round(across)),
            wide * flat * np.abs(v / (wide * flat) - np.round(v / (wide * flat))),
        )
        shade = hashed(view.uniform(0, 100), f32(column), f32(row))
        solid = np.tanh(edge / joint) * 0.35 - 0.25
        return f32(solid + amount * (shade - 0.5) + 0.05 * smooth(view, len(u), 2))

    return Surface("brick", height, *draw_colours(rng, 0.4))


def terrazzo(rng: Rng) -> Surface:
    """Chips of many sizes over each other: the dead-leaves model, with edges at all scales."""
    least, most, steep = rng.uniform(2, 6), rng.uniform(15, 70), rng.uniform(1.5, 3)
    sides, amount = int(rng.integers(3, 9)), rng.uniform(0.15, 0.45)

    def height(view: Rng, u: Field, v: Field) -> Field:
        side = len(u)
        image = Image.new("F", (side, side))
        draw = ImageDraw.Draw(image)
        sizes = (view.uniform(most ** (1 - steep), least ** (1 - steep), 500)) ** (1 / (1 - steep))
        for size in sizes[::-1]:
            x, y = view.uniform(-size, side + size, 2)
            angles = np.sort(view.uniform(0, TURN, sides))
            corners = [(x + size * np.cos(a), y + size * np.sin(a)) for a in angles]
            draw.polygon(corners, fill=float(view.normal(0, amount)))
        return f32(np.asarray(image) + 0.04 * smooth(view, side, 1.5))

    return Surface("tile", height, *draw_colours(rng, 0.4))


def marble(rng: Rng) -> Surface:
    pitch, bend, sharp = rng.uniform(30, 90), rng.uniform(1, 4), rng.uniform(2, 10)

    def height(view: Rng, u: Field, v: Field) -> Field:
        warp = bend * fractal(view, len(u), 60, 4)
        vein = np.exp(-sharp * np.abs(np.sin((u + 0.4 * v) * np.pi / pitch + warp)))
        return f32(0.25 - 0.5 * vein + 0.06 * smooth(view, len(u), 8))

    return Surface("marble", height, *draw_colours(rng, 0.4))


def twill(rng: Rng) -> Surface:
    pitch, slope, amount = rng.uniform(5, 14), rng.uniform(0.5, 1.5), rng.uniform(0.15, 0.4)

    def height(view: Rng, u: Field, v: Field) -> Field:
        rib = np.sin((u + slope * v) * TURN / pitch)
        thread = np.sin((u - slope * v) * TURN / (pitch * 0.5))
        yarn = smooth(view, len(u), 3, 8)
        return f32(amount * np.tanh(2 * rib) * (0.8 + 0.2 * thread) + 0.07 * yarn)

    return Surface("denim", height, *draw_colours(rng, 0.3))


def basket(rng: Rng) -> Surface:
    pitch, strands = rng.uniform(12, 34), int(rng.integers(2, 5))

    def height(view: Rng, u: Field, v: Field) -> Field:
        over = (np.floor(u / pitch) + np.floor(v / pitch)) % 2 > 0
        along, across = np.where(over, u, v), np.where(over, v, u)
        bow = np.abs(np.sin(along * np.pi / pitch))
        lines = np.abs(np.sin(across * np.pi * strands / pitch))
        return f32(0.5 * bow * lines - 0.25 + 0.05 * smooth(view, len(u), 2))

    return Surface("textile", height, *draw_colours(rng, 0.35))


def perforated(rng: Rng) -> Surface:
    pitch, hole = rng.uniform(12, 30), rng.uniform(0.18, 0.38)
    staggered, edge = rng.random() < 0.5, rng.uniform(8, 30)

    def height(view: Rng, u: Field, v: Field) -> Field:
        row = np.round(v / pitch)
        across = u / pitch + (0.5 * (row % 2) if staggered else 0)
        away = np.hypot(across - np.round(across), v / pitch - row)
        solid = 1 / (1 + np.exp(-edge * (away - hole)))
        return f32(0.6 * solid - 0.4 + 0.05 * smooth(view, len(u), 2, 8))

    return Surface("steel", height, *draw_colours(rng, 0.45))


def knit(rng: Rng) -> Surface:
    pitch, steep = rng.uniform(11, 22), rng.uniform(0.5, 0.9)

    def height(view: Rng, u: Field, v: Field) -> Field:
        across = u / pitch - np.round(u / pitch)
        stitch = np.cos((v / (pitch * 0.7) + steep * 2 * np.abs(across)) * TURN)
        valley = np.exp(-((across / 0.07) ** 2))
        return f32(0.3 * np.tanh(1.5 * stitch) - 0.2 * valley + 0.06 * smooth(view, len(u), 2))

    return Surface("knit", height, *draw_colours(rng, 0.3))


def asphalt(rng: Rng) -> Surface:
    pitch, amount = rng.uniform(4, 9), rng.uniform(0.2, 0.5)

    def height(view: Rng, u: Field, v: Field) -> Field:
        first, _, shade = cells(view.uniform(0, 100), u, v, pitch)
        grain = np.exp(-((first / 0.45) ** 2)) * (shade - 0.35)
        return f32(amount * grain - 0.1 + 0.06 * smooth(view, len(u), 1.5))

    dark = rng.uniform(0.15, 0.3)
    return Surface("asphalt", height, (dark, dark, dark), (dark + 0.35, dark + 0.34, dark + 0.3))


PATTERNS: tuple[Callable[[Rng], Surface], ...] = (
    pebbles, sponge, bricks, terrazzo, marble, twill, basket, perforated,
)  # fmt: skip
HELD_OUT_PATTERNS: tuple[Callable[[Rng], Surface], ...] = (knit, asphalt)
