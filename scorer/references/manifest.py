"""What is written of a reference memory: what it was made from, for what, and how it judges."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from contract.config import Line, Region
from contract.errors import ConfigError, MemoryMismatch
from contract.section import Score
from scorer.clip.models import sha256_of
from scorer.references.conformal import Calibration
from scorer.scoring.memory import Fingerprint
from scorer.windows.precision import PRECISION


class Manifest(BaseModel):
    """What a reference memory was made from, and for what.

    Attributes:
        reference_names: of each reference the file or frame that it was.
        reference_scores: of each reference its score against the others; None where it was not
            looked at.
        dtype: compute type of the scores that set the thresholds; None: made before it was noted,
            when scores in types other than float32 came out up to .0005 higher.
        warnings: what spoke against this memory when it was made, for a person to read.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: Literal[2] = 2
    version: str
    line: str
    object_name: str
    normal_states: tuple[str, ...]
    anomalous_states: tuple[str, ...]
    inspection_px: int
    tile_overlap_px: int
    tile_memory: str
    mask_sha256: str | None
    regions: Mapping[str, Region | None]
    model: str
    weights_sha256: str
    preset: str
    num_references: int
    num_tiles: int
    image_sha256: tuple[str, ...]
    created_ns: int
    created_by: str
    language_weight: Score
    fail_threshold: Score
    threshold_method: str
    review_threshold: Score | None = None
    dtype: str | None = None
    calibration: Calibration | None = None
    memory_sha256: str = ""
    reference_names: tuple[str, ...] = ()
    reference_scores: tuple[Score | None, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def fingerprint(self) -> Fingerprint:
        return Fingerprint(self.model, self.weights_sha256, self.preset)

    @property
    def what_scores_depend_on(self) -> dict[str, object]:
        """All that moves a score: everything but names, times and thresholds."""
        return self.model_dump(exclude=_NO_PART_IN_SCORES)

    @property
    def _tiling(self) -> tuple[int, str]:
        return self.tile_overlap_px, self.tile_memory

    def doubt(self, dtype: str) -> str | None:
        """What speaks against these thresholds where scores are computed in `dtype`."""
        if dtype == self.dtype:
            return None
        made = "before types were noted" if self.dtype is None else f"in {self.dtype}"
        differ = max(PRECISION.get(each or "", 0.0) for each in (self.dtype, dtype))
        return (
            f"the thresholds of {self.version} rest on scores that were computed {made}; those in "
            f"{dtype} differ by up to about {differ:g}: calibrate it again"
        )

    def require(self, line: Line, *, language_weight: float, mask_sha256: str | None) -> None:
        """Refuse a line whose inspected crop, or kind of score, is not the enrolled one.

        Args:
            language_weight, mask_sha256: what the line is scored with; the file of the mask may
                have changed since it was read.

        Raises:
            MemoryMismatch: naming what differs.
        """
        if self.num_references < 1:
            raise MemoryMismatch(
                f"reference memory {self.version} is empty", "enroll the line again"
            )
        if self.inspection_px != line.inspection_px:
            raise MemoryMismatch(
                f"line {line.name}: the reference memory {self.version} was made at "
                f"{self.inspection_px} px, the line inspects at {line.inspection_px} px",
                "enroll the line again",
            )
        if self._tiling != (line.tile_overlap_px, line.tile_memory):
            raise MemoryMismatch(
                f"line {line.name}: the reference memory {self.version} was made with tiles that "
                f"overlap by {self.tile_overlap_px} px and tile_memory {self.tile_memory}",
                "enroll the line again, or set them back",
            )
        if self.mask_sha256 != mask_sha256:
            raise MemoryMismatch(
                f"line {line.name}: the reference memory {self.version} was made with another mask "
                "than the one in use",
                "start the scorer again if the mask is new, else enroll the line again",
            )
        if self.language_weight != language_weight:
            raise MemoryMismatch(
                f"line {line.name}: the reference memory {self.version} has its threshold for "
                f"language_weight {self.language_weight:g}, now it is {language_weight:g}",
                "enroll the line again",
            )
        words = (line.object_name, line.normal_states, line.anomalous_states)
        if language_weight and words != (
            self.object_name,
            self.normal_states,
            self.anomalous_states,
        ):
            raise MemoryMismatch(
                f"line {line.name}: the reference memory {self.version} has its threshold for "
                f"{self.object_name!r} and other words than the line has now",
                "enroll the line again, or set the words back",
            )
        for camera in line.cameras:
            enrolled = self.regions.get(camera.name, camera.region)
            if enrolled != camera.region:
                raise MemoryMismatch(
                    f"line {line.name}: the reference memory {self.version} was made with region "
                    f"{_shown(enrolled)} of camera {camera.name}, which is now at "
                    f"{_shown(camera.region)}",
                    "enroll the line again, or set the region back",
                )


def new_version(created_ns: int, image_sha256: tuple[str, ...]) -> str:
    """A name that sorts by time and tells two memories of one second apart."""
    moment = datetime.fromtimestamp(created_ns / 1e9, UTC).strftime("%Y%m%dT%H%M%SZ")
    digest = hashlib.sha256(f"{created_ns}{image_sha256}".encode()).hexdigest()
    return f"{moment}-{digest[:8]}"


def mask_sha256(line: Line) -> str | None:
    """What tells one mask from another.

    Raises:
        ConfigError: the mask cannot be read.
    """
    if line.mask is None:
        return None
    try:
        return sha256_of(line.mask)
    except OSError as error:
        raise ConfigError(
            f"line {line.name}: mask {line.mask}: {error.strerror}", "a picture, white and black"
        ) from None


def _shown(region: Region | None) -> str:
    if region is None:
        return "the whole picture"
    return f"{region.width_px}x{region.height_px}+{region.x_px}+{region.y_px}"


_NO_PART_IN_SCORES = {
    "version",
    "created_ns",
    "created_by",
    "fail_threshold",
    "review_threshold",
    "threshold_method",
    "dtype",
    "calibration",
    "reference_names",
    "reference_scores",
    "warnings",
}
