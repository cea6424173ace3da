"""Calibrating a line: its reference memory again, with thresholds that keep a promise."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from contract.clock import Clock
from contract.config import Line
from contract.errors import ConfigError
from scorer.conformal import Calibration, promise
from scorer.enrolment import line_text, line_view, user
from scorer.pixels import Picture
from scorer.shelf import Manifest, Shelf, mask_sha256, new_version
from scorer.winclip import WinClip

METHOD = "split-conformal, from {} good frames"


def score_normal(
    model: WinClip, line: Line, shelf: Shelf, images: Sequence[Picture]
) -> list[float]:
    """Scores of good pictures against the active memory of `line`.

    Raises:
        ConfigError: no active memory, or pictures that it was made from: those score too low.
        MemoryMismatch: the memory does not fit the line or the model.
        StorageError: it cannot be read.
    """
    memory, manifest = shelf.load(line.name, active_version(shelf, line))
    view = line_view(model, line)
    memory.require(model.fingerprint, num_tiles=view.num_tiles)
    manifest.require(line, language_weight=model.language_weight, mask_sha256=mask_sha256(line))
    known = set(manifest.image_sha256)
    enrolled = [image for image in images if hashlib.sha256(image.tobytes()).hexdigest() in known]
    if enrolled:
        raise ConfigError(
            f"{len(enrolled)} of the {len(images)} pictures are references of line {line.name}",
            "good pictures that were not enrolled",
        )
    text, adopted = line_text(model, line), model.adopt(memory)
    return [
        float(model.score([image], text=text, memory=adopted, view=view).anomaly_score)
        for image in images
    ]


def calibrate(
    shelf: Shelf,
    line: Line,
    clock: Clock,
    scores: Sequence[float],
    *,
    false_reject_rate: float,
    review_rate: float | None = None,
) -> Manifest:
    """Give `line` thresholds by the scores of good frames, as a new version of its memory.

    The version before stays, and one command goes back to it.

    Args:
        scores: of good frames against the active memory.
        false_reject_rate: of good frames that may FAIL.
        review_rate: of good frames that may FAIL or be REVIEWed; None: no REVIEW.

    Raises:
        ConfigError: too few frames, or a review rate that is not above the other.
        StorageError: the memory cannot be read or written.
    """
    if review_rate is not None and review_rate <= false_reject_rate:
        raise ConfigError(
            f"a review rate of {review_rate:g}",
            f"above the false-reject rate {false_reject_rate:g}",
        )
    memory, manifest = shelf.load(line.name, active_version(shelf, line))
    fail = promise(scores, false_reject_rate)
    review = None if review_rate is None else promise(scores, review_rate).threshold
    now_ns = clock.wall_ns()
    calibrated = manifest.model_copy(
        update={
            "version": new_version(now_ns, (*manifest.image_sha256, repr(scores))),
            "created_ns": now_ns,
            "created_by": user(),
            "fail_threshold": fail.threshold,
            "review_threshold": None if review == fail.threshold else review,
            "threshold_method": METHOD.format(len(scores)),
            "calibration": Calibration(
                scores=tuple(sorted(scores)),
                false_reject_rate=false_reject_rate,
                false_reject_bound=fail.bound,
                review_rate=review_rate,
            ),
        }
    )
    shelf.save(memory, calibrated)
    shelf.activate(line.name, calibrated.version, now_ns=now_ns, by=user())
    return calibrated


def active_version(shelf: Shelf, line: Line) -> str:
    """The version of `line` that judges.

    Raises:
        ConfigError: none does.
    """
    version = shelf.active(line.name)
    if version is None:
        raise ConfigError(f"line {line.name} has no reference memory", "enroll it first")
    return version
