"""Reference memories beside the configuration: do they fit, and whose threshold counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from contract.config import Config, Line
from contract.config_file import Location
from contract.errors import ConfigError, FlawlineError, ModelError, StorageError
from flawline.checks.note import Note, warning

if TYPE_CHECKING:
    from scorer.references.manifest import Manifest


def check_memories(config: Config, environ: Mapping[str, str]) -> Iterator[Note]:
    """Lines that are not taught, memories that do not fit, thresholds that set others aside."""
    from scorer.references.shelf import Shelf

    shelf = Shelf(config.memory_directory)
    for number, line in enumerate(config.lines):
        here = ("lines", number)
        try:
            version = shelf.active(line.name)
            manifest = None if version is None else shelf.manifest(line.name, version)
        except StorageError as problem:
            yield warning(here, problem)
            continue
        if manifest is not None:
            misfits = list(_misfit(config, line, manifest, here))
            yield from misfits or _other_type(config, line, manifest, here)
            yield from _overridden(line, manifest, here)
        elif line.zero_shot_threshold is None:
            yield warning(
                here,
                f"line {line.name} is not taught yet, its frames will be UNSCORED: "
                f"flawline enroll --line {line.name}",
            )


def _misfit(config: Config, line: Line, manifest: Manifest, here: Location) -> Iterator[Note]:
    from scorer.references.switch import require_manifest_fit

    try:
        require_manifest_fit(manifest, line, config.scorer.model)
    except (ConfigError, ModelError):
        return  # a mask or weights that cannot be read are told where they stand
    except FlawlineError as problem:
        yield warning(here, f"frames will be UNSCORED: {problem}")


def _other_type(config: Config, line: Line, manifest: Manifest, here: Location) -> Iterator[Note]:
    from scorer.windows.precision import compute_dtype_name

    model = config.scorer.model
    doubt = manifest.doubt(compute_dtype_name(model.dtype, model.device))
    if doubt is not None and line.fail_threshold is None:
        yield warning(here, doubt)


def _overridden(line: Line, manifest: Manifest, here: Location) -> Iterator[Note]:
    """Thresholds in the file that set calibrated ones aside; calibration is then of no effect."""
    calibration = manifest.calibration
    if calibration is None:
        return
    remedy = "take it out of the file to use the calibration"
    if line.fail_threshold is not None:
        yield warning(
            (*here, "fail_threshold"),
            f"{line.fail_threshold:g} is fixed, so the calibrated {manifest.fail_threshold:.4f} "
            f"(at most {calibration.false_reject_rate:.2%} of good frames FAIL) does not count: "
            f"{remedy}",
        )
    if line.review_threshold is not None and manifest.review_threshold is not None:
        yield warning(
            (*here, "review_threshold"),
            f"{line.review_threshold:g} is fixed, so the calibrated "
            f"{manifest.review_threshold:.4f} does not count: {remedy}",
        )
