"""The colour scale of heatmaps: fixed to a line's thresholds, so that what is below stays bare.

A colour means the same in all pictures of a line. Good parts have places that score higher than
others; with a scale of each map's own extremes these would glow, on every belt edge.
"""

from __future__ import annotations

from typing import Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt

FAIL_AT: Final = 0.35
TOP_THRESHOLDS: Final = 2.0

# Matplotlib's `inferno` (CC0) from where it is bright enough to be seen over a grey picture:
# its lightness rises evenly.
_INFERNO: Final = np.array(
    [
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


class Scale(NamedTuple):
    """Which value has which place among the colours.

    Attributes:
        values: rising; below the first there is no colour, from the last on it stays the same.
        places: their places among the colours, 0 to 1.
        names: what each value is called beside the colour bar.
    """

    values: tuple[float, ...]
    places: tuple[float, ...]
    names: tuple[str, ...]

    @classmethod
    def of(cls, *, fail_threshold: float | None, review_threshold: float | None = None) -> Self:
        """Colours from the review threshold on, or from the fail threshold if there is none.

        The fail threshold always has place `FAIL_AT`. The top is `TOP_THRESHOLDS` times the fail
        threshold, at most 1: scores of a model grow with its threshold, and a top that depends on
        the threshold alone is known before the first picture. Without thresholds, 0 to 1.
        """
        if fail_threshold is None:
            return cls((0.0, 1.0), (0.0, 1.0), ("", ""))
        points = [(fail_threshold, FAIL_AT, "fail")]
        if review_threshold is not None and review_threshold < fail_threshold:
            points.insert(0, (review_threshold, 0.0, "review"))
        top = min(TOP_THRESHOLDS * fail_threshold, 1.0) or 1.0
        if top > fail_threshold:
            points.append((top, 1.0, ""))
        values, places, names = zip(*points, strict=True)
        return cls(values, places, names)

    def place(self, scores: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Places of scores, same shape; NaN where there is no colour."""
        known = scores.astype(np.float64)
        placed: npt.NDArray[np.float64] = np.interp(known, self.values, self.places)
        # Compared as float32, as the score was when it was judged.
        return np.where(scores >= np.float32(self.values[0]), placed, np.nan)


def colours(places: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    """RGB (..., 3) of places; that of place 0 where there is none."""
    known = np.nan_to_num(places, nan=0.0)
    return LUT[np.clip(known * 255, 0, 255).round().astype(np.uint8)]
