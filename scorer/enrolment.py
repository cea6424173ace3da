"""Teaching a line: from a few good parts to an active reference memory."""

from __future__ import annotations

import getpass
import hashlib
import os
from collections.abc import Sequence

from torch import Tensor

from contract.clock import Clock
from contract.config import Line
from contract.errors import ConfigError
from scorer.pixels import Picture
from scorer.shelf import Manifest, Shelf, new_version
from scorer.threshold import METHOD, provisional_threshold
from scorer.winclip import WinClip


def enroll(
    model: WinClip, line: Line, images: Sequence[Picture], shelf: Shelf, clock: Clock
) -> Manifest:
    """Build, save and activate the reference memory of `line`.

    Args:
        images: K good parts, uint8 RGB (H, W, 3): the inspected crop, at any resolution.

    Raises:
        ImageError: no image, another dtype or shape.
        StorageError: the memory cannot be written; the active one stays.
        ConfigError: the line's inspection size is not the model's.
    """
    require_size(model, line)
    pixels = model.preprocess(images)
    memory = model.enroll_pixels(pixels)
    text = line_text(model, line)
    hashes = tuple(hashlib.sha256(image.tobytes()).hexdigest() for image in images)
    now_ns = clock.wall_ns()
    manifest = Manifest(
        version=new_version(now_ns, hashes),
        line=line.name,
        object_name=line.object_name,
        normal_states=line.normal_states,
        anomalous_states=line.anomalous_states,
        inspection_px=line.inspection_px,
        regions={camera.name: camera.region for camera in line.cameras},
        model=model.fingerprint.model,
        weights_sha256=model.fingerprint.weights_sha256,
        preset=model.fingerprint.preset,
        num_references=memory.num_references,
        image_sha256=hashes,
        created_ns=now_ns,
        created_by=_user(),
        fail_threshold=provisional_threshold(model, pixels, memory, text),
        threshold_method=METHOD,
    )
    shelf.save(memory, manifest)
    shelf.activate(line.name, manifest.version)
    return manifest


def _user() -> str:
    """Who enrolls; a number where the account has no name, as in some containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def line_text(model: WinClip, line: Line) -> Tensor:
    """Text prototypes (2, D) of `line`."""
    return model.text_prototypes(
        line.object_name,
        normal_states=line.normal_states,
        anomalous_states=line.anomalous_states,
    )


def require_size(model: WinClip, line: Line) -> None:
    """Refuse a line whose inspection size is not the model's input.

    Raises:
        ConfigError: naming both sizes.
    """
    if (line.inspection_px, line.inspection_px) != model.image_px:
        raise ConfigError(
            f"line {line.name}: inspection_px is {line.inspection_px}",
            f"{model.fingerprint.model} takes {model.image_px[0]}",
        )
