"""Calibrating a line: its reference memory again, with thresholds that keep a promise."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from contextlib import suppress

from contract.clock import Clock
from contract.config import Line
from contract.errors import ConfigError, StorageError
from contract.image import Pixels
from contract.process import user
from scorer.references.conformal import Calibration, promise
from scorer.references.doubts import BY_GOOD_PICTURES, disagreement, repeated
from scorer.references.line import line_text, line_tiling
from scorer.references.manifest import Manifest, mask_sha256, new_version
from scorer.references.shelf import Shelf
from scorer.scoring.winclip import WinClip

METHOD = "split-conformal, from {} good frames"


def score_normal(
    model: WinClip, line: Line, shelf: Shelf, version: str, images: Iterable[Pixels]
) -> list[float]:
    """Scores of good pictures against a version of the memory of `line`, equal pictures once.

    Raises:
        ConfigError: pictures that the memory was made from: those score too low.
        MemoryMismatch: the memory does not fit the line or the model.
        StorageError: it cannot be read.
    """
    memory, manifest = shelf.load(line.name, version)
    tiling = line_tiling(model, line)
    memory.require(model.fingerprint, num_tiles=tiling.num_tiles)
    manifest.require(line, language_weight=model.language_weight, mask_sha256=mask_sha256(line))
    text, adopted = line_text(model, line), model.adopt(memory)
    scores: dict[str, float] = {}
    for image in images:
        digest = hashlib.sha256(image.tobytes()).hexdigest()
        if digest in manifest.image_sha256:
            raise ConfigError(
                f"some of the pictures are references of line {line.name}",
                "good pictures that were not enrolled",
            )
        if digest not in scores:
            result = model.score([image], text=text, memory=adopted, tiling=tiling)
            scores[digest] = float(result.anomaly_score)
    return list(scores.values())


def comparable(shelf: Shelf, line: Line, version: str, *, language_weight: float) -> set[str]:
    """Versions whose scores are those of `version`: other thresholds at most.

    Args:
        language_weight: what the line is scored with now.

    Raises:
        MemoryMismatch: the line is not scored with `version` any more.
        StorageError: it cannot be read.
    """
    wanted = shelf.manifest(line.name, version)
    wanted.require(line, language_weight=language_weight, mask_sha256=mask_sha256(line))
    found = set()
    for other in shelf.versions(line.name):
        with suppress(StorageError):
            if shelf.manifest(line.name, other).what_scores_depend_on == (
                wanted.what_scores_depend_on
            ):
                found.add(other)
    return found


def calibrate(
    shelf: Shelf,
    line: Line,
    clock: Clock,
    version: str,
    scores: Sequence[float],
    *,
    dtype: str | None,
    false_reject_rate: float,
    review_rate: float | None = None,
) -> Manifest:
    """Give `line` thresholds by the scores of good frames, as a new version of its memory.

    The version before stays, and one command goes back to it.

    Args:
        version: that judges the line, and that gave the scores.
        scores: of good frames.
        dtype: compute type of the scores; None: not known.
        false_reject_rate: of good frames that may FAIL.
        review_rate: of good frames that may FAIL or be REVIEWed; None: no REVIEW.

    Raises:
        ConfigError: too few frames, a review rate that is not above the other, or another version
            judges by now.
        StorageError: the memory cannot be read or written.
    """
    require_rates(false_reject_rate, review_rate)
    fail = promise(scores, false_reject_rate)
    review = None if review_rate is None else promise(scores, review_rate).threshold
    memory, manifest = shelf.load(line.name, version)
    now_ns = clock.wall_ns()
    unlike = disagreement(
        manifest.reference_scores,
        manifest.reference_names,
        limit=fail.threshold,
        measure=BY_GOOD_PICTURES,
    )
    calibrated = manifest.model_copy(
        update={
            "version": new_version(now_ns, (*manifest.image_sha256, repr(scores))),
            "created_ns": now_ns,
            "created_by": user(),
            "fail_threshold": fail.threshold,
            "review_threshold": None if review == fail.threshold else review,
            "dtype": dtype,
            "threshold_method": METHOD.format(len(scores)),
            "warnings": (*repeated(manifest.image_sha256), *unlike),
            "calibration": Calibration(
                scores=tuple(sorted(scores)),
                false_reject_rate=false_reject_rate,
                false_reject_bound=fail.bound,
                review_rate=review_rate,
            ),
        }
    )
    shelf.save(memory, calibrated, shelf.pictures(line.name, version))
    if shelf.active(line.name) != version:
        raise ConfigError(
            f"line {line.name} was given another reference memory meanwhile", "calibrate it again"
        )
    shelf.activate(line.name, calibrated.version, now_ns=now_ns, by=user())
    return calibrated


def require_rates(false_reject_rate: float, review_rate: float | None) -> None:
    """Refuse rates that leave no room for REVIEW.

    Raises:
        ConfigError: a review rate that is not above the false-reject rate.
    """
    if review_rate is not None and review_rate <= false_reject_rate:
        raise ConfigError(
            f"a review rate of {review_rate:g}",
            f"above the false-reject rate {false_reject_rate:g}",
        )


def active_version(shelf: Shelf, line: Line) -> str:
    """The version of `line` that judges.

    Raises:
        ConfigError: none does.
    """
    version = shelf.active(line.name)
    if version is None:
        raise ConfigError(f"line {line.name} has no reference memory", "enroll it first")
    return version
