"""A short look at a source: how large its pictures are, and how often they come."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass

from contract.clock import NS_PER_S, Clock
from contract.config import Camera
from contract.errors import SourceError
from ingest.credentials import location_of
from ingest.picture import Picture
from ingest.source import kind_of


@dataclass(frozen=True)
class Glance:
    """What a source showed.

    Attributes:
        fps: frames per second by their positions in the stream, or else by their arrival; None
            with fewer than two.
        opened_s: from the start to the first picture.
    """

    width_px: int
    height_px: int
    fps: float | None
    opened_s: float


def glance(
    camera: Camera,
    environ: Mapping[str, str],
    clock: Clock,
    *,
    pictures: int = 1,
    within_s: float,
) -> Glance:
    """Open `camera`, look at up to so many pictures, and close it.

    Args:
        environ: where its password is.
        within_s: ends the look, but not while the source says nothing: that its own time-outs do.

    Raises:
        SourceError: it cannot be opened, or gave no picture.
    """
    start_s = clock.monotonic_s()
    seen: list[Picture] = []
    arrived_s: list[float] = []
    with closing(kind_of(camera.source).open(camera, location_of(camera, environ))) as items:
        for item in items:
            now_s = clock.monotonic_s()
            if isinstance(item, Picture):
                seen.append(item)
                arrived_s.append(now_s)
            if len(seen) >= pictures or now_s - start_s >= within_s:
                break
    if not seen:
        raise SourceError("it opened, but gave no picture that can be decoded", "check the stream")
    return Glance(
        width_px=seen[0].width_px,
        height_px=seen[0].height_px,
        fps=_fps(seen, arrived_s),
        opened_s=arrived_s[0] - start_s,
    )


def _fps(pictures: list[Picture], arrived_s: list[float]) -> float | None:
    span_s = arrived_s[-1] - arrived_s[0]
    first_ns, last_ns = pictures[0].pts_ns, pictures[-1].pts_ns
    if first_ns is not None and last_ns is not None:
        span_s = (last_ns - first_ns) / NS_PER_S
    return (len(pictures) - 1) / span_s if span_s > 0 else None
