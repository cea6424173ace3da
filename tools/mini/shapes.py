"""Signed distance fields of plain shapes, in pixels, negative inside.

Every function takes `u` and `v`, pixel offsets from the centre, [H, W].
"""

import numpy as np

from tools.mini.noise import Field, f32


def circle(u: Field, v: Field, radius: float) -> Field:
    return f32(np.hypot(u, v) - radius)


def box(u: Field, v: Field, width: float, height: float, round_: float) -> Field:
    """Rounded box of half sizes `width`, `height` and corner radius `round_`."""
    x, y = np.abs(u) - width + round_, np.abs(v) - height + round_
    outside = np.hypot(np.maximum(x, 0), np.maximum(y, 0))
    return f32(outside + np.minimum(np.maximum(x, y), 0) - round_)


def polygon(u: Field, v: Field, radius: float, sides: int) -> Field:
    """Regular polygon of inner radius `radius`."""
    step = 2 * np.pi / sides
    angle = np.arctan2(v, u)
    folded = angle - step * np.round(angle / step)
    return f32(np.hypot(u, v) * np.cos(folded) - radius)


def wave(u: Field, v: Field, radius: float, teeth: int, depth: float, sharp: float) -> Field:
    """Disc with a wavy rim: gear teeth for a large `sharp`, lobes for a small one."""
    rim = np.tanh(sharp * np.sin(teeth * np.arctan2(v, u))) / np.tanh(sharp)
    return f32(np.hypot(u, v) - radius - depth * rim)
