"""The demo's conveyor: which part lies where, and the moving belt as one long looped strip.

The belt moves 29/3 px a frame and the strip has three columns per px, so each frame is every
third column of the strip, shifted by 29 columns: sub-pixel motion without resampling.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from tools.demo_defects import DEFECTS, Box, box_of
from tools.demo_parts import (
    CANVAS,
    SCALE,
    Plane,
    Pose,
    Surface,
    good_surface,
    light,
)

Frame: TypeAlias = NDArray[np.uint8]

WIDTH_PX, HEIGHT_PX = 640, 480
FPS = 25
FRAMES_PER_PART = 42
STEP_COLUMNS = 29
SPEED_PX = STEP_COLUMNS / SCALE
PITCH_PX = FRAMES_PER_PART * STEP_COLUMNS // SCALE
FIRST_CENTRE_PX = 122
MIDDLE_PX = 240
JITTER_COLUMNS = 8
ROTATION_RAD = 0.10
RAIL_PX = 22
SHADOW_SHIFT_PX = 5
EXPOSURE_COLUMNS = 4
NOISE_ROLLS, NOISE_STRIDE = 5000, 211
BELT = np.array([0.158, 0.163, 0.168], dtype=np.float32)


@dataclass(frozen=True)
class Part:
    """One part on the belt; ``centre_x_px`` is where it is in frame 0."""

    part_id: int
    seed: tuple[int, int]
    defect: str | None
    centre_x_px: float
    centre_y_px: float
    pose: Pose

    def centres_px(self, num_frames: int) -> NDArray[np.float64]:
        """The centre's x in each frame, shape (num_frames,)."""
        return self.centre_x_px + SPEED_PX * np.arange(num_frames, dtype=np.float64)


def plan_parts(seed: int, defects: list[str | None]) -> list[Part]:
    """Parts in the order they pass, with their small differences drawn from the seed."""
    rng = np.random.default_rng([seed, 1])
    parts = []
    for part_id, defect in enumerate(defects):
        shift = rng.integers(-JITTER_COLUMNS, JITTER_COLUMNS + 1, 2) / SCALE
        pose = Pose(float(rng.uniform(-1, 1) * ROTATION_RAD), float(rng.uniform(0.965, 1.035)))
        x = FIRST_CENTRE_PX - PITCH_PX * part_id + float(shift[0])
        parts.append(Part(part_id, (seed, part_id), defect, x, MIDDLE_PX + float(shift[1]), pose))
    return parts


def draw_surface(part: Part) -> tuple[Surface, Box | None]:
    """The unlit part, and where its defect is, px from its centre."""
    surface = good_surface()
    if part.defect is None:
        return surface, None
    rng = np.random.default_rng([*part.seed, 2])
    return surface, box_of(DEFECTS[part.defect](surface, part.pose, rng))


def _noise(rng: np.random.Generator, columns: int, grain_px: tuple[float, float]) -> Plane:
    """Noise of deviation 1 that joins up at its ends, shape (HEIGHT_PX, columns)."""
    spectrum = np.fft.rfft2(rng.standard_normal((HEIGHT_PX, columns)).astype(np.float32))
    across = np.fft.rfftfreq(columns)[None, :] * grain_px[0]
    down = np.fft.fftfreq(HEIGHT_PX)[:, None] * grain_px[1]
    smooth = np.fft.irfft2(spectrum * np.exp(-4.0 * (across**2 + down**2)), (HEIGHT_PX, columns))
    noise: Plane = (smooth / smooth.std()).astype(np.float32)
    return noise


def _belt(rng: np.random.Generator, length_px: int) -> NDArray[np.float32]:
    """Bare rubber with grain, cloudy wear and long faint streaks: (HEIGHT_PX, columns, 3)."""
    value: Plane = 1.0 + 0.050 * _noise(rng, length_px, (2.2, 2.2))
    value += 0.045 * _noise(rng, length_px, (60.0, 40.0))
    value += 0.030 * _noise(rng, length_px, (260.0, 3.0))
    x, y = np.arange(length_px)[None, :], np.arange(HEIGHT_PX)[:, None]
    value += 0.028 * np.sin(2 * np.pi * (x / 10.0 + y / 12.0))
    value += 0.028 * np.sin(2 * np.pi * (x / 10.0 - y / 12.0))
    return np.repeat(value.astype(np.float32), SCALE, axis=1)[..., None] * BELT


def _shadow(cover: Plane) -> Plane:
    """Share of light the part takes from the belt: a tight contact and a soft cast shadow."""
    picture = Image.fromarray((cover * 255).astype(np.uint8))
    contact = np.asarray(picture.filter(ImageFilter.GaussianBlur(3.0 * SCALE)), np.float32)
    cast = np.asarray(picture.filter(ImageFilter.GaussianBlur(4.5 * SCALE)), np.float32)
    shift = SHADOW_SHIFT_PX * SCALE
    cast = np.roll(cast, (shift, shift * 3 // 4), axis=(0, 1))
    shade = 1.0 - (1.0 - 0.45 * contact / 255.0) * (1.0 - 0.62 * cast / 255.0)
    return shade.astype(np.float32)


def _bin_rows(canvas: NDArray[np.float32], down: int) -> NDArray[np.float32]:
    """Move a canvas down by some of its rows and average each three of them."""
    moved = np.roll(canvas, down, axis=0)
    binned: NDArray[np.float32] = moved.reshape(-1, SCALE, *canvas.shape[1:]).mean(axis=1)
    return binned


def _place(strip: NDArray[np.float32], part: Part) -> None:
    """Draw one part and its shadow onto the strip, wrapping around its ends."""
    surface, _ = draw_surface(part)
    lit = light(surface, part.pose, np.random.default_rng([*part.seed, 3]))
    row, down = divmod(round(part.centre_y_px * SCALE) - CANVAS // 2, SCALE)
    cover = _bin_rows(surface.cover, down)[..., None]
    shadow = _bin_rows(_shadow(surface.cover), down)[..., None]
    ceramic = _bin_rows(lit * surface.cover[..., None], down)
    first = round(part.centre_x_px * SCALE) - CANVAS // 2
    columns = np.arange(first, first + CANVAS) % strip.shape[1]
    rows = slice(row, row + CANVAS // SCALE)
    below = strip[rows, columns] * (1.0 - shadow)
    strip[rows, columns] = below * (1.0 - cover) + ceramic


def _blur_columns(rows: NDArray[np.float32], width: int) -> NDArray[np.float32]:
    """Average over ``width`` columns of a looped strip."""
    total = sum((np.roll(rows, shift - width // 2, axis=1) for shift in range(width)), 0 * rows)
    return total / np.float32(width)


def draw_strip(parts: list[Part], seed: int) -> Frame:
    """The belt with its parts: (HEIGHT_PX, SCALE * length, 3), blurred by pixel and exposure."""
    strip = _belt(np.random.default_rng([seed, 4]), PITCH_PX * len(parts))
    for part in parts:
        _place(strip, part)
    out = np.empty(strip.shape, np.uint8)
    for row in range(0, HEIGHT_PX, 16):
        band = _blur_columns(_blur_columns(strip[row : row + 16], SCALE), EXPOSURE_COLUMNS)
        out[row : row + 16] = np.clip(band * 255.0 + 0.5, 0, 255)
    return out


class Camera:
    """A fixed camera above the strip: rails, lamp fall-off, flicker and sensor noise."""

    def __init__(self, strip: Frame, seed: int) -> None:
        self._strip = strip
        self._rng = np.random.default_rng([seed, 5])
        x = (np.arange(WIDTH_PX)[None, :] - 300) / 320
        y = (np.arange(HEIGHT_PX)[:, None] - 220) / 240
        self._lamp = (1.03 - 0.06 * x * x - 0.05 * y * y).astype(np.float32)[..., None]
        self._rail = self._draw_rail()
        noise_values = HEIGHT_PX * WIDTH_PX + NOISE_ROLLS * NOISE_STRIDE
        self._noise = self._rng.standard_normal(noise_values, np.float32)

    def _draw_rail(self) -> NDArray[np.float32]:
        """A guide rail seen from above: (RAIL_PX, WIDTH_PX, 3), the belt below it."""
        depth = np.array([0.44] * 12 + [0.50, 0.56, 0.50, 0.36, 0.25, 0.18, 0.12, 0.09, 0.07, 0.06])
        brushed = _noise(np.random.default_rng(7), WIDTH_PX, (90.0, 1.5))[:RAIL_PX]
        value = (255.0 * depth[:, None] * (1.0 + 0.05 * brushed)).astype(np.float32)
        return np.repeat(value[..., None], 3, axis=2)

    def frame(self, index: int) -> Frame:
        """Frame ``index`` of the clip: (HEIGHT_PX, WIDTH_PX, 3) uint8."""
        columns = (SCALE * np.arange(WIDTH_PX) - STEP_COLUMNS * index) % self._strip.shape[1]
        picture = np.take(self._strip, columns, axis=1).astype(np.float32)
        picture[:RAIL_PX] = self._rail
        picture[-RAIL_PX:] = self._rail[::-1]
        hum = 0.006 * np.sin(2 * np.pi * index / 37.5) + 0.004 * np.sin(2 * np.pi * index / 6.25)
        picture *= self._lamp * np.float32(1.0 + hum)
        start = int(self._rng.integers(NOISE_ROLLS)) * NOISE_STRIDE
        noise = self._noise[start : start + HEIGHT_PX * WIDTH_PX].reshape(HEIGHT_PX, WIDTH_PX, 1)
        picture += noise * (0.8 + 0.006 * picture[..., 1:2])
        exposed: Frame = np.clip(picture + 0.5, 0, 255).astype(np.uint8)
        return exposed
