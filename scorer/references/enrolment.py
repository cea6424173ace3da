"""Teaching a line: from a few good parts to an active reference memory."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence

from torch import Tensor

from contract.clock import Clock
from contract.config import Line
from contract.errors import ConfigError, ModelError
from contract.image import Pixels
from contract.process import user
from scorer.references.choice import usual_limit
from scorer.references.contact_sheet import Caption, pictures
from scorer.references.doubts import (
    BY_GOOD_PICTURES,
    BY_REFERENCES,
    MIN_PICTURES,
    disagreement,
    few_pictures,
    odd_references,
    outside_stream,
    repeated,
    without_number,
)
from scorer.references.line import line_text, line_tiling
from scorer.references.manifest import Manifest, mask_sha256, new_version
from scorer.references.provisional import (
    HELD_OUT,
    Provisional,
    Step,
    held_out_threshold,
    leave_one_out_threshold,
    nothing,
    num_left_out,
)
from scorer.references.shelf import Shelf
from scorer.scoring.coreset import thinned
from scorer.scoring.memory import ReferenceMemory
from scorer.scoring.winclip import WinClip
from scorer.windows.tiling import Tiling

MIN_NORMAL = MIN_PICTURES


def enroll(
    model: WinClip,
    line: Line,
    images: Sequence[Pixels],
    shelf: Shelf,
    clock: Clock,
    *,
    names: Sequence[str] = (),
    normal: Sequence[Pixels] = (),
    coreset: float = 1.0,
    stream: Sequence[Pixels] | None = None,
    step: Step = nothing,
) -> Manifest:
    """Build, save and activate the reference memory of `line`.

    What speaks against it is in the manifest's `warnings`; small pictures of the references and a
    contact sheet lie beside it.

    Args:
        images: K good parts, uint8 RGB (H, W, 3): the inspected crop, at any resolution.
        names: of the images, for people; none: they are numbered.
        normal: more good pictures of the same kind, which only set the threshold; at least
            `MIN_NORMAL`, or none: then the references have to.
        coreset: share of the references' features to keep; less than 1 needs `normal`, because
            the references can no longer be left out one by one.
        stream: frames that the line's camera gave beside the images, as they came: what the
            threshold is compared with. None: there is no stream.
        step: called once for each of `num_steps`.

    Raises:
        ImageError: no image, another dtype or shape.
        StorageError: the memory cannot be written; the active one stays.
        ConfigError: the line's inspection size is not the model's, or too few normal pictures.
        ModelError: the model gives no numbers.
    """
    tiling = line_tiling(model, line)
    _require_normal(len(normal), coreset)
    memory = model.enroll(images, tiling=tiling, pooled=line.tile_memory == "pooled")
    memory = thinned(memory, coreset)
    text = line_text(model, line)
    names = tuple(names) or tuple(f"picture {number}" for number in range(1, len(images) + 1))
    if normal:
        kept = images if coreset == 1.0 else ()
        first = held_out_threshold(
            model, memory, text, tiling, normal=normal, references=kept, step=step
        )
    else:
        first = leave_one_out_threshold(model, images, memory, text, tiling, step=step)
    if not all(map(math.isfinite, (first.fail_threshold, *_known(first.alone)))):
        raise ModelError("the references get scores that are not numbers", "verify the weights")
    hashes = tuple(hashlib.sha256(image.tobytes()).hexdigest() for image in images)
    seen = None if stream is None else _scores(model, stream, memory, text, tiling)
    warnings = _doubts(first, names, hashes, seen)
    manifest = _manifest(model, line, memory, first, hashes, names, warnings, clock.wall_ns())
    shelf.save(memory, manifest, _pictures(images, manifest, first))
    shelf.activate(line.name, manifest.version, now_ns=manifest.created_ns, by=user())
    return manifest


def _manifest(
    model: WinClip,
    line: Line,
    memory: ReferenceMemory,
    first: Provisional,
    hashes: tuple[str, ...],
    names: tuple[str, ...],
    warnings: tuple[str, ...],
    now_ns: int,
) -> Manifest:
    """What `memory` was made from and for, and how it judges to begin with."""
    return Manifest(
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
        fail_threshold=first.fail_threshold,
        threshold_method=first.method,
        dtype=model.backbone.dtype,
        reference_names=names,
        reference_scores=first.alone,
        warnings=warnings,
    )


def num_steps(*, num_references: int, num_normal: int, coreset: float) -> int:
    """How often `enroll` calls `step`: for each picture that is scored to find the threshold."""
    alone = num_left_out(num_references) if num_references > 1 or not num_normal else 0
    return num_normal + (alone if coreset == 1.0 else 0)


def _require_normal(num_normal: int, coreset: float) -> None:
    if 0 < num_normal < MIN_NORMAL:
        raise ConfigError(
            f"{num_normal} normal picture(s) cannot set a threshold",
            f"give at least {MIN_NORMAL}, or none",
        )
    if coreset < 1 and not num_normal:
        raise ConfigError(
            "a coreset (a part of the references' features) needs normal pictures to set the "
            "threshold",
            f"give at least {MIN_NORMAL} that are not references",
        )


def _scores(
    model: WinClip, images: Sequence[Pixels], memory: ReferenceMemory, text: Tensor, tiling: Tiling
) -> list[float]:
    return [
        float(model.score([image], text=text, memory=memory, tiling=tiling).anomaly_score)
        for image in images
    ]


def _doubts(
    first: Provisional,
    names: Sequence[str],
    hashes: Sequence[str],
    stream_scores: Sequence[float] | None,
) -> tuple[str, ...]:
    """What speaks against a memory and its first threshold."""
    limit, measure = _limit(first)
    found = [
        *repeated(hashes),
        *disagreement(first.alone, names, limit=limit, measure=measure),
        *few_pictures(first.num_pictures),
    ]
    if stream_scores is not None:
        numbers = list(filter(math.isfinite, stream_scores))
        found += without_number(len(stream_scores) - len(numbers), of=len(stream_scores))
        found += outside_stream(first.fail_threshold, numbers)
    return tuple(found)


def _limit(first: Provisional) -> tuple[float, str]:
    """What references that are alike stay below when scored against one another, and why."""
    if first.method == HELD_OUT:
        return first.fail_threshold, BY_GOOD_PICTURES
    return usual_limit(_known(first.alone)), BY_REFERENCES


def _known(scores: Iterable[float | None]) -> list[float]:
    return [score for score in scores if score is not None]


def _pictures(images: Sequence[Pixels], manifest: Manifest, first: Provisional) -> dict[str, bytes]:
    """Small pictures of the references, captioned with what they score against one another."""
    odd = odd_references(first.alone, _limit(first)[0])
    captions = [
        Caption(name, "" if score is None else f"against the others {score:.4f}", index in odd)
        for index, (name, score) in enumerate(
            zip(manifest.reference_names, manifest.reference_scores, strict=True)
        )
    ]
    title = (
        f"line {manifest.line}, {manifest.version}: {len(images)} reference(s), first FAIL "
        f"threshold {manifest.fail_threshold:.4f}"
    )
    return pictures(images, captions, title)
