"""Teaching a line: from a few good parts to an active reference memory."""

from __future__ import annotations

import getpass
import hashlib
import math
import os
from collections.abc import Sequence

import torch
from torch import Tensor

from contract.clock import Clock
from contract.config import Line
from contract.errors import ConfigError, ImageError, ModelError
from contract.image import MASK_LEVEL, Pixels, read_image
from scorer.references.manifest import Manifest, mask_sha256, new_version
from scorer.references.shelf import Shelf
from scorer.references.threshold import (
    HELD_OUT,
    LEAVE_ONE_OUT,
    held_out_threshold,
    leave_one_out_threshold,
)
from scorer.scoring.coreset import thinned
from scorer.scoring.winclip import WinClip
from scorer.windows.tiling import Tiling

MIN_NORMAL = 8


def enroll(
    model: WinClip,
    line: Line,
    images: Sequence[Pixels],
    shelf: Shelf,
    clock: Clock,
    *,
    normal: Sequence[Pixels] = (),
    coreset: float = 1.0,
) -> Manifest:
    """Build, save and activate the reference memory of `line`.

    Args:
        images: K good parts, uint8 RGB (H, W, 3): the inspected crop, at any resolution.
        normal: more good pictures of the same kind, which only set the threshold; at least
            `MIN_NORMAL`, or none: then the references have to.
        coreset: share of the references' features to keep; less than 1 needs `normal`, because
            the references can no longer be left out one by one.

    Raises:
        ImageError: no image, another dtype or shape.
        StorageError: the memory cannot be written; the active one stays.
        ConfigError: the line's inspection size is not the model's, or too few normal pictures.
        ModelError: the model gives no numbers.
    """
    tiling = line_tiling(model, line)
    if 0 < len(normal) < MIN_NORMAL:
        raise ConfigError(
            f"{len(normal)} normal picture(s) cannot set a threshold",
            f"give at least {MIN_NORMAL}, or none",
        )
    if coreset < 1 and not normal:
        raise ConfigError(
            "a coreset needs normal pictures to set the threshold",
            f"give at least {MIN_NORMAL} that are not references",
        )
    memory = model.enroll(images, tiling=tiling, pooled=line.tile_memory == "pooled")
    memory = thinned(memory, coreset)
    text = line_text(model, line)
    hashes = tuple(hashlib.sha256(image.tobytes()).hexdigest() for image in images)
    if normal:
        method = HELD_OUT
        threshold = held_out_threshold(model, normal, memory, text, tiling)
    else:
        method = LEAVE_ONE_OUT
        threshold = leave_one_out_threshold(model, images, memory, text, tiling)
    if not math.isfinite(threshold):
        raise ModelError("the references get scores that are not numbers", "verify the weights")
    now_ns = clock.wall_ns()
    manifest = Manifest(
        version=new_version(now_ns, hashes),
        line=line.name,
        object_name=line.object_name,
        normal_states=line.normal_states,
        anomalous_states=line.anomalous_states,
        inspection_px=line.inspection_px,
        tile_overlap_px=line.tile_overlap_px,
        tile_memory=line.tile_memory,
        mask_sha256=mask_sha256(line),
        regions={camera.name: camera.region for camera in line.cameras},
        model=model.fingerprint.model,
        weights_sha256=model.fingerprint.weights_sha256,
        preset=model.fingerprint.preset,
        num_references=memory.num_references,
        num_tiles=memory.num_tiles,
        image_sha256=hashes,
        created_ns=now_ns,
        created_by=user(),
        language_weight=model.language_weight,
        fail_threshold=threshold,
        threshold_method=method,
    )
    shelf.save(memory, manifest)
    shelf.activate(line.name, manifest.version, now_ns=now_ns, by=user())
    return manifest


def user() -> str:
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


def line_tiling(model: WinClip, line: Line) -> Tiling:
    """How the inspected crop of `line` is laid before the model.

    Raises:
        ConfigError: sizes that do not fit the model, a mask that cannot be read or shows nothing.
    """
    mask = None
    if line.mask is not None:
        try:
            mask = torch.from_numpy(read_image(line.mask).max(axis=2) > MASK_LEVEL)
        except ImageError as error:
            raise ConfigError(f"line {line.name}: mask: {error}") from None
    try:
        return model.backbone.tiling(line.inspection_px, overlap_px=line.tile_overlap_px, mask=mask)
    except ConfigError as error:
        raise ConfigError(f"line {line.name}: {error}") from None
