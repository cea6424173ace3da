"""A picture that shows why: the inspected crop, and the same crop under its anomaly map. Pure.

Left is the bare crop at full resolution, right its heatmap, below a strip with what was judged,
when, and what the colours mean.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from contract.clock import local_text
from contract.codec import Evidence
from contract.errors import ImageError
from contract.messages import VerdictRecord
from sinks.evidence.colours import Scale, colours

MAX_PIXELS = 64 << 20
GAP_PX: Final = 2
NUM_LINES: Final = 4
HATCH_PX: Final = 8
OPACITY: Final = 0.65

Box = tuple[int, int, int, int]
"""Left, top, right and bottom in pixels; right and bottom are the first outside."""


def render(evidence: Evidence, *, quality: int) -> bytes:
    """The evidence of a verdict as a JPEG.

    Raises:
        ImageError: its picture cannot be decoded.
    """
    verdict = evidence.header.verdict
    picture = side_by_side(
        _decode(evidence.jpeg),
        evidence.anomaly_map,
        caption=caption_of(verdict),
        fail_threshold=verdict.fail_threshold,
        review_threshold=verdict.review_threshold,
    )
    encoded = io.BytesIO()
    picture.save(encoded, "JPEG", quality=quality)
    return encoded.getvalue()


def side_by_side(
    crop: Image.Image | npt.NDArray[np.uint8],
    anomaly_map: npt.NDArray[np.float32],
    *,
    caption: Sequence[str],
    fail_threshold: float | None = None,
    review_threshold: float | None = None,
) -> Image.Image:
    """A crop (H, W, 3, RGB) beside itself under its anomaly map (any height and width).

    Only patches that reach a threshold have a colour. Where the map is NaN, outside the region of
    interest, the crop is dark and hatched.

    Args:
        caption: up to `NUM_LINES` lines; what is too long for the picture is cut.
    """
    crop = crop if isinstance(crop, Image.Image) else Image.fromarray(crop)
    scale = Scale.of(fail_threshold=fail_threshold, review_threshold=review_threshold)
    width, height = crop.size
    canvas = Image.new("RGB", (2 * width + GAP_PX, height + _strip_px(width)))
    canvas.paste(crop, (0, 0))
    canvas.paste(_overlay(crop, anomaly_map, scale), (width + GAP_PX, 0))
    canvas.paste(_text(caption, width), (0, height))
    notes = _notes(scale, all_inspected=not np.isnan(anomaly_map).any())
    canvas.paste(_legend(scale, notes, width), (width + GAP_PX, height))
    return canvas


def crop_box(size_px: tuple[int, int]) -> Box:
    """Where the bare crop lies in a picture of `side_by_side` with this width and height.

    Raises:
        ImageError: no such picture has this size.

    >>> crop_box((482, 298))
    (0, 0, 240, 240)
    """
    width = (size_px[0] - GAP_PX) // 2
    height = size_px[1] - _strip_px(width)
    if width < 1 or height < 1 or 2 * width + GAP_PX != size_px[0]:
        raise ImageError(
            f"a picture of {size_px[0]} x {size_px[1]} pixels is no crop beside its heatmap"
        )
    return (0, 0, width, height)


def caption_of(header: VerdictRecord) -> list[str]:
    """What the scorer said, how, and when; a verdict that then came late is LATE to the plant."""
    judged = header.outcome.value if header.reason is None else f"{header.outcome} {header.reason}"
    if header.anomaly_score is not None:
        judged += f"  score {header.anomaly_score:.4f}"
    thresholds = [
        f"{name} at {value:.4f}"
        for name, value in (("review", header.review_threshold), ("fail", header.fail_threshold))
        if value is not None
    ]
    return [
        judged,
        ", ".join(thresholds) or "no threshold",
        local_text(header.times.captured_ns),
        f"{header.line}/{header.camera} frame {header.frame_id}",
    ]


def _overlay(crop: Image.Image, anomaly_map: npt.NDArray[np.float32], scale: Scale) -> Image.Image:
    """The crop in grey, coloured where it reaches the scale, hatched where it was not judged."""
    places = _enlarge(scale, anomaly_map, crop.size)
    grey = np.asarray(crop.convert("L").convert("RGB"), dtype=np.float64)
    glowing = ~np.isnan(places)[..., None]
    picture = np.where(glowing, (1 - OPACITY) * grey + OPACITY * colours(places), grey)
    outside = np.asarray(
        Image.fromarray(np.isnan(anomaly_map)).resize(crop.size, Image.Resampling.NEAREST)
    )
    rows, columns = np.indices(outside.shape)
    hatched = outside & ((rows + columns) % HATCH_PX == 0)
    picture[outside] *= 0.4
    picture[hatched] += 60
    return Image.fromarray(picture.round().astype(np.uint8))


def _enlarge(
    scale: Scale, anomaly_map: npt.NDArray[np.float32], size_px: tuple[int, int]
) -> npt.NDArray[np.float64]:
    """Places of the map's values for each pixel; NaN: no colour.

    Exactly the patches that reach the scale have a colour, however few; between them colours are
    interpolated linearly, which invents nothing above the highest.
    """
    values = Image.fromarray(np.nan_to_num(anomaly_map, nan=0.0, posinf=1.0))
    own = scale.place(np.asarray(values.resize(size_px, Image.Resampling.NEAREST)))
    smooth = scale.place(np.asarray(values.resize(size_px, Image.Resampling.BILINEAR)))
    return np.where(np.isnan(own), np.nan, np.fmax(smooth, scale.places[0]))


def _text(lines: Sequence[str], width: int) -> Image.Image:
    """The left part of the strip."""
    strip = Image.new("RGB", (width, _strip_px(width)))
    draw, font = ImageDraw.Draw(strip), ImageFont.load_default(_font_px(width))
    for number, line in enumerate(lines[:NUM_LINES]):
        at = (_pad_px(width), _pad_px(width) + number * _line_px(width))
        draw.text(at, _cut(line, font, width - 2 * at[0]), fill="white", font=font)
    return strip


def _legend(scale: Scale, notes: Sequence[str], width: int) -> Image.Image:
    """The right part of the strip: colour bar, its values, what has no colour."""
    pad, line = _pad_px(width), _line_px(width)
    strip = _text(["", "", *notes], width)
    length = width - 2 * pad
    if length < 1:
        return strip
    places = np.linspace(scale.places[0], scale.places[-1], length)
    bar = np.broadcast_to(colours(places), (line - pad, length, 3))
    strip.paste(Image.fromarray(np.ascontiguousarray(bar)), (pad, pad))
    draw, font = ImageDraw.Draw(strip), ImageFont.load_default(_font_px(width))
    span = scale.places[-1] - scale.places[0] or 1.0
    for value, place, name in zip(*scale, strict=True):
        x = pad + round((place - scale.places[0]) / span * (length - 1))
        draw.line((x, pad, x, line + pad // 2), fill="white")
        label = f"{name} {value:.4f}".strip()
        if place == 1.0 and value < 1.0:
            label += " and above"
        end = x + font.getlength(label) > width - pad
        draw.text((x, pad + line), label, fill="white", font=font, anchor="ra" if end else "la")
    return strip


def _notes(scale: Scale, *, all_inspected: bool) -> list[str]:
    bare = f"no colour: below {scale.names[0]}" if scale.names[0] else "no threshold is set"
    return [bare] if all_inspected else [bare, "hatched: not inspected"]


def _cut(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: float) -> str:
    """`text`, or as much of it as fits."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(f"{text}...") > width:
        text = text[:-1]
    return f"{text}..."


def _font_px(width: int) -> int:
    return min(max(width // 24, 9), 28)


def _line_px(width: int) -> int:
    return _font_px(width) * 4 // 3


def _pad_px(width: int) -> int:
    return _font_px(width) // 3


def _strip_px(width: int) -> int:
    """Height of the strip below crops of this width; `crop_box` relies on it."""
    return NUM_LINES * _line_px(width) + 2 * _pad_px(width)


def _decode(jpeg: bytes) -> Image.Image:
    try:
        with Image.open(io.BytesIO(jpeg), formats=["JPEG"]) as image:
            if image.width * image.height > MAX_PIXELS:
                raise ImageError(f"picture of {image.width} x {image.height} pixels", "too large")
            return image.convert("RGB")
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ImageError("verdict with a picture that is no JPEG", str(error)) from error
