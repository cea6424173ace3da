"""Lines and manifests for tests of the shelf."""

from __future__ import annotations

from typing import Any

from contract.config import Line
from scorer.references.manifest import Manifest
from scorer.scoring.memory import ReferenceMemory

VERSION = "20260921T133320Z-0123abcd"
LATER = "20260922T080000Z-89abcdef"
WHO: dict[str, Any] = {"now_ns": 1_790_000_000_000_000_000, "by": "inspector"}


def line(name: str = "bottles", **changes: Any) -> Line:
    """A line with one camera."""
    camera = {"name": f"{name}-top", "source": "rtsp://10.0.0.7/live"}
    return Line.model_validate({"name": name, "cameras": [camera]} | changes)


def manifest(memory: ReferenceMemory, **changes: Any) -> Manifest:
    """What belongs to `memory` for `line()`."""
    values = {
        "version": VERSION,
        "line": "bottles",
        "object_name": "object",
        "normal_states": (),
        "anomalous_states": (),
        "inspection_px": 240,
        "tile_overlap_px": 64,
        "tile_memory": "position",
        "mask_sha256": None,
        "regions": {"bottles-top": None},
        "model": memory.fingerprint.model,
        "weights_sha256": memory.fingerprint.weights_sha256,
        "preset": memory.fingerprint.preset,
        "num_references": memory.num_references,
        "num_tiles": memory.num_tiles,
        "image_sha256": ("0" * 64,),
        "created_ns": 1_790_000_000_000_000_000,
        "created_by": "inspector",
        "language_weight": 0.5,
        "fail_threshold": 0.25,
        "threshold_method": "by hand",
        "dtype": "float32",
    }
    return Manifest.model_validate(values | changes)
