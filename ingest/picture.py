"""Pictures: what every source yields, word of what gave none, and the crop that is sent on."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass

from contract.config import Region
from contract.image import Pixels

Render = Callable[[Region | None, int], Pixels]


@dataclass(frozen=True)
class Picture:
    """One decoded picture, whose pixels are converted only when `render` is called.

    Args:
        render: from a region (None: the whole picture) and a side in pixels to (side, side, 3)
            RGB that nobody else holds.
        pts_ns: position in the source stream; None if the source does not say.
        duration_ns: how long the picture stands, 0 if the source does not say.
        name: its file, if it has one of its own.
    """

    width_px: int
    height_px: int
    render: Render
    pts_ns: int | None = None
    duration_ns: int = 0
    keyframe: bool = True
    corrupt: bool = False
    name: str = ""


@dataclass(frozen=True)
class Damage:
    """A packet or an image that gave no picture, and why."""

    what: str


Item = Picture | Damage
Stream = Generator[Item, None, None]


def misfit(region: Region | None, *, width_px: int, height_px: int) -> str | None:
    """Why `region` does not fit a picture, and what would be right; None if it fits."""
    if region is None:
        return None
    if region.x_px + region.width_px <= width_px and region.y_px + region.height_px <= height_px:
        return None
    return (
        f"region {region.width_px}x{region.height_px} at ({region.x_px}, {region.y_px}) does not "
        f"fit the {width_px}x{height_px} picture: x_px + width_px must be at most {width_px} "
        f"and y_px + height_px at most {height_px}"
    )


@dataclass(frozen=True)
class Shot:
    """An inspected crop and what is known about it, before it has a `frame_id`.

    Args:
        captured_ns: live sources: when the frame left the decoder; paced files: when it was due;
            files at full speed: when it was decoded.
        decoded_ns: when its pixels were ready.
    """

    pixels: Pixels
    captured_ns: int
    decoded_ns: int
    deadline_ns: int | None
    source_pts_ns: int | None
    taint: str | None
