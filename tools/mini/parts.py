"""Manufactured parts: families of shapes with paint.

A family draws its parameters once and returns a `Part`, which can then be rendered in any pose.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tools.mini.noise import Field, Rng, f32
from tools.mini.shapes import box, circle, polygon, wave

Distance = Callable[[Field, Field], Field]
Paint = Callable[[Field, Field, Field], Field]


@dataclass(frozen=True)
class Part:
    """One product.

    Attributes:
        name: the word of its captions.
        distance: (u, v) in pixels from the centre to signed distance in pixels, negative inside.
        paint: (u, v, distance) to brightness, 0 is plain, [H, W].
        colour: albedo 0..1, three values.
        gloss: strength of shading at bevels, 0..1.
        grain: strength of surface texture, 0..1.
        bevel: width of the bevel in pixels.
    """

    name: str
    distance: Distance
    paint: Paint
    colour: tuple[float, float, float]
    gloss: float
    grain: float
    bevel: float


def metal(rng: Rng) -> tuple[float, float, float]:
    base = rng.uniform(0.35, 0.8)
    tint = rng.uniform(-0.05, 0.05)
    if rng.random() < 0.25:
        return base, base * rng.uniform(0.75, 0.9), base * rng.uniform(0.4, 0.65)
    return base + tint, base, base - tint


def vivid(rng: Rng) -> tuple[float, float, float]:
    r, g, b = rng.uniform(0.12, 0.92, 3)
    return r, g, b


def _plain(u: Field, v: Field, d: Field) -> Field:
    return np.zeros_like(u)


def _lathe(amount: float, pitch: float) -> Paint:
    """Concentric turning marks and two bright sectors, as on turned metal."""

    def paint(u: Field, v: Field, d: Field) -> Field:
        rings = np.sin(np.hypot(u, v) * 2 * np.pi / pitch)
        return f32(amount * (0.5 * rings + np.cos(2 * np.arctan2(v, u))))

    return paint


def _stripes(amount: float, pitch: float, lean: float = 0.0) -> Paint:
    def paint(u: Field, v: Field, d: Field) -> Field:
        return f32(amount * np.sin((u + lean * v) * 2 * np.pi / pitch))

    return paint


def _step(inner: Distance, height: float, edge: float = 1.5) -> Paint:
    """Brightness `height` where `inner` is negative, with a dark outline."""

    def paint(u: Field, v: Field, d: Field) -> Field:
        field = inner(u, v)
        outline = np.exp(-((field / edge) ** 2))
        return f32(height / (1 + np.exp(field.clip(-20, 20))) - 0.15 * outline)

    return paint


def plate(rng: Rng) -> Part:
    w, h = rng.uniform(45, 90), rng.uniform(35, 75)
    r, hole, inset = rng.uniform(2, 18), rng.uniform(4, 10), rng.uniform(12, 18)
    holes = rng.integers(0, 3)

    def distance(u: Field, v: Field) -> Field:
        d = box(u, v, w, h, r)
        if holes == 1:
            return np.maximum(d, -circle(f32(np.abs(u) - (w - inset)), v, hole))
        if holes == 2:
            x, y = f32(np.abs(u) - (w - inset)), f32(np.abs(v) - (h - inset))
            corner = circle(x, y, hole * 0.7)
            return np.maximum(d, -corner)
        return d

    paint = _stripes(0.04, rng.uniform(3, 9)) if rng.random() < 0.5 else _plain
    return Part("metal plate", distance, paint, metal(rng), 0.6, 0.5, rng.uniform(2, 6))


def gear(rng: Rng) -> Part:
    radius, teeth = rng.uniform(50, 80), int(rng.integers(9, 26))
    bore, hub = rng.uniform(8, 16), rng.uniform(20, 36)
    depth = rng.uniform(3, 7)

    def distance(u: Field, v: Field) -> Field:
        return np.maximum(wave(u, v, radius, teeth, depth, 3.0), -circle(u, v, bore))

    paint = _step(lambda u, v: circle(u, v, hub), rng.uniform(-0.15, 0.2))
    return Part("gear", distance, paint, metal(rng), 0.7, 0.4, rng.uniform(2, 5))


def nut(rng: Rng) -> Part:
    radius, bore = rng.uniform(35, 65), rng.uniform(0.45, 0.65)

    def distance(u: Field, v: Field) -> Field:
        return np.maximum(polygon(u, v, radius, 6), -circle(u, v, radius * bore))

    paint = _step(lambda u, v: circle(u, v, radius * (bore + 0.12)), rng.uniform(-0.12, 0.12))
    return Part("metal nut", distance, paint, metal(rng), 0.8, 0.4, rng.uniform(3, 9))


def bracket(rng: Rng) -> Part:
    w, h, arm = rng.uniform(55, 85), rng.uniform(50, 80), rng.uniform(16, 28)
    hole = rng.uniform(4, 8)

    def distance(u: Field, v: Field) -> Field:
        d = np.minimum(box(u, v - h + arm, w, arm, 4), box(u + w - arm, v, arm, h, 4))
        d = np.maximum(d, -circle(u - w + arm, v - h + arm, hole))
        return np.maximum(d, -circle(u + w - arm, v + h - arm, hole))

    return Part("bracket", distance, _plain, metal(rng), 0.5, 0.6, rng.uniform(2, 4))


def screw(rng: Rng) -> Part:
    length, shank, head = rng.uniform(55, 90), rng.uniform(9, 16), rng.uniform(20, 30)
    pitch = rng.uniform(5, 10)

    def distance(u: Field, v: Field) -> Field:
        body = box(u, v, length, shank, 3)
        return np.minimum(body, box(u + length - 10, v, 12, head, 6))

    paint = _stripes(0.22, pitch, 0.25)
    return Part("screw", distance, paint, metal(rng), 0.7, 0.2, rng.uniform(4, 8))


def pill(rng: Rng) -> Part:
    radius, squash = rng.uniform(35, 70), rng.uniform(0.6, 1.0)
    groove = rng.random() < 0.6

    def distance(u: Field, v: Field) -> Field:
        return f32(circle(u, v / squash, radius) * squash)

    def paint(u: Field, v: Field, d: Field) -> Field:
        return f32(-0.25 * np.exp(-((u / 2.5) ** 2)) * groove)

    return Part("pill", distance, paint, vivid(rng), 0.5, 0.15, rng.uniform(8, 18))


def cap(rng: Rng) -> Part:
    radius, teeth = rng.uniform(45, 75), int(rng.integers(18, 40))
    logo, sides = rng.uniform(0.3, 0.6), int(rng.integers(3, 7))

    def distance(u: Field, v: Field) -> Field:
        return wave(u, v, radius, teeth, 2.0, 0.8)

    paint = _step(lambda u, v: polygon(u, v, radius * logo, sides), rng.uniform(-0.35, 0.35))
    return Part("bottle cap", distance, paint, vivid(rng), 0.6, 0.1, rng.uniform(5, 12))


def board(rng: Rng) -> Part:
    w, h = rng.uniform(60, 95), rng.uniform(45, 75)
    chips = [
        (rng.uniform(-0.7, 0.7) * w, rng.uniform(-0.7, 0.7) * h, *rng.uniform(5, 17, 2))
        for _ in range(rng.integers(4, 10))
    ]
    shades = [rng.choice([-0.3, -0.2, 0.3, 0.5]) for _ in chips]
    pitch = rng.uniform(6, 12)

    def paint(u: Field, v: Field, d: Field) -> Field:
        field = 0.08 * (np.sin(u * 2 * np.pi / pitch) > 0.6).astype(np.float32)
        for (x, y, a, b), shade in zip(chips, shades, strict=True):
            field = np.where(box(u - x, v - y, a, b, 1) < 0, shade, field)
        return f32(field)

    green = (rng.uniform(0.05, 0.2), rng.uniform(0.25, 0.5), rng.uniform(0.1, 0.5))
    return Part("pcb", lambda u, v: box(u, v, w, h, 3), paint, green, 0.2, 0.15, 2.0)


def cookie(rng: Rng) -> Part:
    radius, lobes = rng.uniform(50, 80), int(rng.integers(3, 8))
    spots = [(*rng.uniform(-0.75, 0.75, 2), rng.uniform(2, 6)) for _ in range(rng.integers(6, 20))]

    def paint(u: Field, v: Field, d: Field) -> Field:
        field = np.zeros_like(u)
        for x, y, size in spots:
            field -= 0.3 * np.exp(-(((u / radius - x) ** 2 + (v / radius - y) ** 2) * 1500 / size))
        return field

    brown = (rng.uniform(0.55, 0.8), rng.uniform(0.4, 0.55), rng.uniform(0.2, 0.35))
    depth, bevel = rng.uniform(0.5, 3), rng.uniform(6, 15)

    def distance(u: Field, v: Field) -> Field:
        return wave(u, v, radius, lobes, depth, 0.5)

    return Part("cookie", distance, paint, brown, 0.3, 0.9, bevel)


def connector(rng: Rng) -> Part:
    w, h, pitch = rng.uniform(50, 85), rng.uniform(20, 40), rng.uniform(9, 16)
    pins = rng.uniform(8, 18)

    def distance(u: Field, v: Field) -> Field:
        near = u - pitch * np.round(u / pitch)
        legs = np.maximum(np.abs(near) - pitch * 0.22, np.abs(np.abs(v) - h) - pins)
        return np.minimum(box(u, v, w, h, 4), np.maximum(legs, np.abs(u) - w + 4))

    def paint(u: Field, v: Field, d: Field) -> Field:
        return f32(np.where(np.abs(v) > h, 0.45, 0.0))

    shade = rng.uniform(0.08, 0.4)
    return Part("connector", distance, paint, (shade, shade, shade), 0.3, 0.15, 3.0)


def label(rng: Rng) -> Part:
    w, h, rows = rng.uniform(55, 90), rng.uniform(35, 60), rng.uniform(9, 15)
    phase, pitch = rng.uniform(0, 6), rng.uniform(5, 9)

    def paint(u: Field, v: Field, d: Field) -> Field:
        words = np.sin(u / pitch * 2 + phase * np.round(v / rows)) + np.sin(u / pitch * 5)
        text = (np.abs(v - rows * np.round(v / rows)) < rows * 0.28) & (words > 0.1) & (d < -8)
        return f32(np.where(text, -0.5, 0.0))

    return Part("label", lambda u, v: box(u, v, w, h, 5), paint, (0.85, 0.85, 0.8), 0.1, 0.1, 1.5)


def disc(rng: Rng) -> Part:
    radius, groove = rng.uniform(40, 80), rng.uniform(0.4, 0.85)
    turned, rim = _lathe(rng.uniform(0.02, 0.08), rng.uniform(3, 8)), rng.uniform(-0.1, 0.1)
    step = _step(lambda u, v: circle(u, v, radius * groove), rim)

    def paint(u: Field, v: Field, d: Field) -> Field:
        return turned(u, v, d) + step(u, v, d)

    return Part(
        "disc", lambda u, v: circle(u, v, radius), paint, metal(rng), 0.6, 0.3, rng.uniform(2, 8)
    )


def clip(rng: Rng) -> Part:
    w, h, wall = rng.uniform(45, 75), rng.uniform(35, 60), rng.uniform(10, 18)

    def distance(u: Field, v: Field) -> Field:
        inside = box(u - wall * 1.5, v, w, h - wall, 5)
        return np.maximum(box(u, v, w, h, 10), -inside)

    return Part("clip", distance, _plain, vivid(rng), 0.5, 0.2, rng.uniform(3, 6))


def spool(rng: Rng) -> Part:
    w, h, waist = rng.uniform(35, 50), rng.uniform(50, 80), rng.uniform(10, 16)

    def distance(u: Field, v: Field) -> Field:
        return np.maximum(box(u, v, w, h, 6), -circle(f32(np.abs(u) - w - waist), v, waist * 2))

    return Part("spacer", distance, _stripes(0.08, 6.0), vivid(rng), 0.6, 0.2, rng.uniform(4, 9))


def washer(rng: Rng) -> Part:
    radius, bore = rng.uniform(45, 75), rng.uniform(0.35, 0.6)

    def distance(u: Field, v: Field) -> Field:
        return np.maximum(circle(u, v, radius), -circle(u, v, radius * bore))

    paint = _lathe(rng.uniform(0.02, 0.06), rng.uniform(3, 7))
    return Part("washer", distance, paint, metal(rng), 0.6, 0.3, rng.uniform(2, 6))


def flange(rng: Rng) -> Part:
    radius, bore, count = rng.uniform(60, 85), rng.uniform(0.3, 0.45), int(rng.integers(4, 9))
    bolt = rng.uniform(4, 7)

    def distance(u: Field, v: Field) -> Field:
        step = 2 * np.pi / count
        angle = np.arctan2(v, u)
        angle = angle - step * np.round(angle / step)
        r, ring = np.hypot(u, v), radius * 0.75
        holes = np.hypot(r * np.cos(angle) - ring, r * np.sin(angle)) - bolt
        d = np.maximum(circle(u, v, radius), -circle(u, v, radius * bore))
        return f32(np.maximum(d, -holes))

    paint = _step(lambda u, v: circle(u, v, radius * (bore + 0.12)), rng.uniform(0.05, 0.2))
    return Part("flange", distance, paint, metal(rng), 0.6, 0.3, rng.uniform(2, 6))


def capsule(rng: Rng) -> Part:
    w, h = rng.uniform(55, 85), rng.uniform(20, 32)
    shade = rng.choice([-1, 1]) * rng.uniform(0.2, 0.4)

    def paint(u: Field, v: Field, d: Field) -> Field:
        return f32(shade * (u > 0) + 0.3 * np.exp(-(((v + h * 0.4) / 4) ** 2)))

    return Part("capsule", lambda u, v: box(u, v, w, h, h), paint, vivid(rng), 0.6, 0.05, h * 0.6)


PARTS: tuple[Callable[[Rng], Part], ...] = (
    plate, gear, nut, bracket, screw, pill, cap, board, cookie, connector, label, disc, clip, spool,
)  # fmt: skip
HELD_OUT_PARTS: tuple[Callable[[Rng], Part], ...] = (flange, washer, capsule)
