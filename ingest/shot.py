"""A frame on its way to the scorer."""

from __future__ import annotations

from dataclasses import dataclass

from ingest.picture import Pixels


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
