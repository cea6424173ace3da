"""Frames for tests of the plumbing."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from contract.codec import Frame
from contract.messages import FrameMessage

CAPTURED_NS = 1_790_000_000_000_000_000


def frame(
    frame_id: int = 0,
    *,
    line: str = "bottles",
    camera: str | None = None,
    pixels: npt.NDArray[np.uint8] | None = None,
    **header: Any,
) -> Frame:
    """A frame of one camera per line; 4 x 4 pixels unless given."""
    if pixels is None:
        pixels = np.full((4, 4, 3), frame_id % 256, dtype=np.uint8)
    values = {
        "station": "hall-1",
        "line": line,
        "camera": camera or f"{line}-top",
        "epoch": 1_790_000_000_000,
        "frame_id": frame_id,
        "captured_ns": CAPTURED_NS,
        "decoded_ns": CAPTURED_NS,
        "height_px": pixels.shape[0],
        "width_px": pixels.shape[1],
        "nbytes": pixels.nbytes,
    }
    return Frame(FrameMessage.model_validate(values | header), pixels)
