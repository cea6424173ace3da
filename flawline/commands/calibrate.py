"""`flawline calibrate`: thresholds that keep a promise about false rejects."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from contract.clock import NS_PER_S, SystemClock
from contract.config import Config, Line
from contract.config_file import load_config
from contract.errors import ConfigError
from contract.image import list_images
from contract.messages import SCORED
from flawline.commands.enroll import line_of, read_crop
from flawline.options import (
    DEFAULT_CONFIG,
    AsJson,
    ConfigPath,
    give_json,
    require,
    require_json_target,
)
from flawline.progress import loaded, progress, stepping
from flawline.screen import Screen

if TYPE_CHECKING:
    from scorer.references.manifest import Manifest
    from scorer.references.shelf import Shelf

S_PER_H = 3600
NEEDED = (("torch", "scorer"), ("sqlalchemy", "sinks"))


def calibrate(
    line: Annotated[str, typer.Option("--line", "-l", help="The line to calibrate.")],
    normal: Annotated[
        Path | None,
        typer.Option(help="Folder with pictures of good parts that are not references."),
    ] = None,
    from_store: Annotated[
        float | None,
        typer.Option(
            help="Hours: use what the line scored in the last hours, all of it good parts.",
            min=0.01,
        ),
    ] = None,
    false_reject_rate: Annotated[
        float, typer.Option(help="Share of good frames that may FAIL.", min=1e-5, max=0.5)
    ] = 0.005,
    review_rate: Annotated[
        float | None,
        typer.Option(help="Share of good frames that may FAIL or REVIEW.", min=1e-5, max=0.5),
    ] = None,
    whole_picture: Annotated[
        bool,
        typer.Option(
            "--whole-picture",
            help="With --normal: pictures show all that the camera sees; cut the region out.",
        ),
    ] = False,
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = None,
) -> None:
    """Set a line's thresholds so that at most a promised share of good frames is rejected.

    The promise holds for frames like those given: one per part, same product, light and camera. A
    running scorer follows without restart. Too few frames: it says how many are needed.
    """

    if (normal is None) == (from_store is None):
        raise typer.BadParameter("give exactly one of --normal DIR and --from-store HOURS")
    if normal is None and whole_picture:
        raise typer.BadParameter("--whole-picture goes with --normal")
    run_calibrate(
        config,
        line=line,
        normal=normal,
        hours=from_store,
        whole_picture=whole_picture,
        false_reject_rate=false_reject_rate,
        review_rate=review_rate,
        as_json=as_json,
    )


def run_calibrate(
    config_path: Path,
    *,
    line: str,
    normal: Path | None,
    hours: float | None,
    whole_picture: bool,
    false_reject_rate: float,
    review_rate: float | None,
    as_json: Path | None = None,
) -> None:
    """Calibrate `line` with the pictures in `normal`, or with what it scored in the last `hours`.

    Raises:
        ConfigError: too few good frames: how many are needed, and what can be promised meanwhile.
        ImageError, ModelError, StorageError: naming what would be right.
    """
    require_json_target(as_json)
    for module, extra in NEEDED if normal is None else NEEDED[:1]:
        require(module, extra=extra)
    from scorer.references.calibration import active_version, calibrate, require_rates
    from scorer.references.shelf import Shelf

    require_rates(false_reject_rate, review_rate)
    config = load_config(config_path)
    chosen, shelf = line_of(config, line), Shelf(config.memory_directory)
    version = active_version(shelf, chosen)
    source = f"--normal {quote(str(normal))}" if normal is not None else f"--from-store {hours:g}"
    if whole_picture:
        source += " --whole-picture"
    if review_rate is not None:
        source += f" --review-rate {review_rate:g}"
    dtype: str | None
    again = f"flawline calibrate --line {line} {source} --config {quote(str(config_path))}"
    if normal is not None:
        paths = list_images(normal)
        _require_enough(len(paths), false_reject_rate, again)
        dtype, scores = _of_pictures(
            config, chosen, shelf, version, paths, whole_picture=whole_picture
        )
    else:
        dtype, scores = _of_store(config, chosen, shelf, version, hours or 0.0)
    _require_enough(len(scores), false_reject_rate, again)
    manifest = calibrate(
        shelf,
        chosen,
        SystemClock(),
        version,
        scores,
        dtype=dtype,
        false_reject_rate=false_reject_rate,
        review_rate=review_rate,
    )
    if not give_json(manifest, as_json):
        _tell(manifest, chosen)


def _tell(manifest: Manifest, line: Line) -> None:
    """What is promised from now on, and what speaks against it."""
    calibration = manifest.calibration
    assert calibration is not None
    typer.echo(
        f"line {line.name}: FAIL from {manifest.fail_threshold:.4f} on "
        f"({manifest.threshold_method})\n"
        f"promised: at most {calibration.false_reject_rate:.2%} of good frames FAIL, on average "
        f"over calibrations; with 95 % confidence at most {calibration.false_reject_bound:.2%} by "
        "this one"
    )
    if calibration.review_rate is not None:
        told = "no score lies between" if manifest.review_threshold is None else ""
        told = told or f"REVIEW from {manifest.review_threshold:.4f} on"
        typer.echo(f"{told}: at most {calibration.review_rate:.2%} of good frames FAIL or REVIEW")
    typer.echo(
        f"reference memory {manifest.version} is active; `flawline memory rollback` undoes it"
    )
    for warning in manifest.warnings:
        Screen(stderr=True).complain("warning", warning)
    for name in ("fail_threshold", "review_threshold"):
        fixed = getattr(line, name)
        if fixed is not None:
            typer.echo(
                f"but the configuration says {name} {fixed:g} for this line, and that counts "
                "more: take it out to use the calibration",
                err=True,
            )


def _require_enough(num: int, rate: float, again: str) -> None:
    """Refuse a promise that `num` good frames cannot keep; names a command that they can.

    Equal frames count once, so that more may be refused when they have been looked at.
    """
    from scorer.references.conformal import MAX_RATE, require_enough, smallest_rate

    try:
        require_enough(num, rate)
    except ConfigError as error:
        able = smallest_rate(num)
        if able > MAX_RATE:
            raise
        raise ConfigError(f"{error}; type\n  {again} --false-reject-rate {able:g}") from None


def _of_pictures(
    config: Config,
    line: Line,
    shelf: Shelf,
    version: str,
    paths: list[Path],
    *,
    whole_picture: bool,
) -> tuple[str, list[float]]:
    """Compute type and scores of the pictures, equal ones once; one is in memory at a time."""
    from scorer.references.calibration import score_normal

    model = loaded(config.scorer.model)
    with progress("scoring", len(paths)) as step:
        crops = (read_crop(path, line, whole_picture=whole_picture) for path in paths)
        scores = score_normal(model, line, shelf, version, stepping(crops, step))
    return model.backbone.dtype, scores


def _of_store(
    config: Config, line: Line, shelf: Shelf, version: str, hours: float
) -> tuple[str | None, list[float]]:
    """Compute type and scores of the last `hours` that `version` would give again, equal ones once.

    The type is that of the newest; scores of another do not count.

    A picture that stands still gives the same score again and again, and proves nothing.
    """
    from scorer.references.calibration import comparable
    from scorer.scoring.winclip import language_weight_of
    from sinks.store.store import Store

    weight = language_weight_of(config.scorer.model)
    versions = comparable(shelf, line, version, language_weight=weight)
    since_ns = SystemClock().wall_ns() - int(hours * S_PER_H * NS_PER_S)
    scores: dict[str | None, set[float]] = {}
    dtype = None
    with Store.open_existing(config.store_url) as store:
        for event in store.events(line=line.name, outcomes=tuple(SCORED), since_ns=since_ns):
            if event.provenance.memory_version in versions and event.anomaly_score is not None:
                dtype = event.provenance.dtype
                scores.setdefault(dtype, set()).add(event.anomaly_score)
    if not scores:
        raise ConfigError(
            f"line {line.name} scored no frame in the last {hours:g} h with its active memory",
            "a longer time, or pictures with --normal",
        )
    return dtype, sorted(scores[dtype])
