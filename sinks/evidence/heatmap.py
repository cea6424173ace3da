"""A picture that shows why: the inspected crop, and the same crop under its anomaly map. Pure.

Colours mean the same in all pictures of a line: they follow the distance to its thresholds, not
the extremes of one map.
"""

from __future__ import annotations

import io
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from contract.codec import Verdict
from contract.errors import ImageError
from contract.messages import VerdictMessage

MAX_PIXELS = 64 << 20
CAPTION_PX = 18
GAP_PX = 2
REVIEW_AT: Final = 0.5
FAIL_AT: Final = 0.7

# Nine points of matplotlib's `inferno` (CC0): its lightness rises evenly.
_INFERNO: Final = np.array(
    [
        (0, 0, 4),
        (31, 12, 72),
        (85, 15, 109),
        (136, 34, 106),
        (186, 54, 85),
        (227, 89, 51),
        (249, 140, 10),
        (249, 201, 50),
        (252, 255, 164),
    ],
    dtype=np.float64,
)


def _lut() -> npt.NDArray[np.uint8]:
    """256 RGB colours, (256, 3)."""
    at = np.linspace(0, 255, len(_INFERNO))
    channels = [np.interp(np.arange(256), at, _INFERNO[:, channel]) for channel in range(3)]
    return np.stack(channels, axis=1).round().astype(np.uint8)


LUT: Final = _lut()


def render(verdict: Verdict, *, quality: int) -> bytes:
    """The evidence of `verdict` as a JPEG: crop, overlay, caption.

    Raises:
        ImageError: it has no anomaly map, or its picture cannot be decoded.
    """
    if verdict.anomaly_map is None:
        raise ImageError("verdict without an anomaly map")
    picture = side_by_side(
        _decode(verdict.jpeg),
        verdict.anomaly_map,
        caption=caption_of(verdict.header),
        fail_threshold=verdict.header.fail_threshold,
        review_threshold=verdict.header.review_threshold,
    )
    encoded = io.BytesIO()
    picture.save(encoded, "JPEG", quality=quality)
    return encoded.getvalue()


def side_by_side(
    crop: Image.Image | npt.NDArray[np.uint8],
    anomaly_map: npt.NDArray[np.float32],
    *,
    caption: str,
    fail_threshold: float | None = None,
    review_threshold: float | None = None,
) -> Image.Image:
    """A crop (H, W, 3, RGB) beside itself under its anomaly map (any height and width).

    Where the map is NaN, outside the region of interest, the crop stays without colour.
    """
    crop = crop if isinstance(crop, Image.Image) else Image.fromarray(crop)
    places = shade(anomaly_map, fail_threshold=fail_threshold, review_threshold=review_threshold)
    width, height = crop.size
    canvas = Image.new("RGB", (2 * width + GAP_PX, height + CAPTION_PX))
    canvas.paste(crop, (0, 0))
    canvas.paste(_overlay(crop, places, ~np.isnan(anomaly_map)), (width + GAP_PX, 0))
    font = ImageFont.load_default(11)
    ImageDraw.Draw(canvas).text((3, height + 3), caption, fill="white", font=font)
    return canvas


def crop_of(picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The crop (H, W, 3) in a picture that `side_by_side` made, at its full resolution.

    As far as JPEG kept it: once on the wire, once in the file.

    Raises:
        ImageError: a picture of another make.
    """
    height, width = picture.shape[0] - CAPTION_PX, (picture.shape[1] - GAP_PX) // 2
    if height < 1 or width < 1 or picture.shape[1] != 2 * width + GAP_PX:
        raise ImageError(
            f"a picture of {picture.shape[1]} x {picture.shape[0]} px",
            "two crops side by side above a caption, as the evidence sink files them",
        )
    return picture[:height, :width]


def caption_of(header: VerdictMessage) -> str:
    """One line of text about a verdict."""
    words = [f"{header.line}/{header.camera} #{header.frame_id}", header.outcome.value]
    if header.reason is not None:
        words.append(header.reason)
    if header.anomaly_score is not None:
        words.append(f"score {header.anomaly_score:.3f}")
    if header.fail_threshold is not None:
        words.append(f"fail at {header.fail_threshold:.3f}")
    return "  ".join(words)


def shade(
    anomaly_map: npt.NDArray[np.float32],
    *,
    fail_threshold: float | None,
    review_threshold: float | None,
) -> npt.NDArray[np.float64]:
    """Place of each value on the colour scale, 0 to 1, same shape as the map.

    0 is 0, the review threshold is `REVIEW_AT`, the fail threshold is `FAIL_AT`, 1 is 1; linear in
    between. NaN counts as 1: what is not known is not shown as good.
    """
    points = [(0.0, 0.0)]
    for threshold, place in ((review_threshold, REVIEW_AT), (fail_threshold, FAIL_AT)):
        if threshold is not None and points[-1][0] < threshold < 1:
            points.append((threshold, place))
    points.append((1.0, 1.0))
    known = np.nan_to_num(anomaly_map, nan=1.0, posinf=1.0, neginf=1.0)
    values, places = zip(*points, strict=True)
    shaded: npt.NDArray[np.float64] = np.interp(known, values, places)
    return shaded


def _overlay(
    crop: Image.Image, places: npt.NDArray[np.float64], inspected: npt.NDArray[np.bool_]
) -> Image.Image:
    smooth = Image.fromarray(places.astype(np.float32)).resize(crop.size, Image.Resampling.BICUBIC)
    steps = np.clip(np.asarray(smooth) * 255, 0, 255).round().astype(np.uint8)
    grey = crop.convert("L").convert("RGB")
    where = Image.fromarray(inspected).convert("L").resize(crop.size, Image.Resampling.NEAREST)
    return Image.composite(Image.blend(grey, Image.fromarray(LUT[steps]), 0.6), grey, where)


def _decode(jpeg: bytes) -> Image.Image:
    try:
        with Image.open(io.BytesIO(jpeg), formats=["JPEG"]) as image:
            if image.width * image.height > MAX_PIXELS:
                raise ImageError(f"picture of {image.width} x {image.height} pixels", "too large")
            return image.convert("RGB")
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ImageError("verdict with a picture that is no JPEG", str(error)) from error
