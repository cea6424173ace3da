"""`flawline calibrate`: thresholds that keep a promise about false rejects."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.progress import track

from contract.clock import NS_PER_S, SystemClock
from contract.config import Config, Line
from contract.config_file import load_config
from contract.errors import ConfigError
from contract.messages import SCORED
from flawline.enroll import line_of, read_crops

if TYPE_CHECKING:
    from scorer.shelf import Shelf

S_PER_H = 3600


def run_calibrate(
    config_path: Path,
    *,
    line: str,
    normal: Path | None,
    hours: float | None,
    whole_picture: bool,
    false_reject_rate: float,
    review_rate: float | None,
) -> None:
    """Calibrate `line` with the pictures in `normal`, or with what it scored in the last `hours`.

    Raises:
        ConfigError: too few good frames: how many are needed, and what can be promised meanwhile.
        ImageError, ModelError, StorageError: naming what would be right.
    """
    from scorer.calibration import calibrate
    from scorer.shelf import Shelf

    config = load_config(config_path)
    chosen, shelf = line_of(config, line), Shelf(config.memory_directory)
    if normal is not None:
        scores = _of_pictures(config, chosen, shelf, normal, whole_picture=whole_picture)
    else:
        scores = _of_store(config, chosen, shelf, hours or 0.0)
    manifest = calibrate(
        shelf,
        chosen,
        SystemClock(),
        scores,
        false_reject_rate=false_reject_rate,
        review_rate=review_rate,
    )
    assert manifest.calibration is not None
    bound = manifest.calibration.false_reject_bound
    typer.echo(
        f"line {line}: FAIL from {manifest.fail_threshold:.4f} on "
        f"({manifest.threshold_method})\n"
        f"promised: at most {false_reject_rate:.2%} of good frames FAIL, on average over "
        f"calibrations; with 95 % confidence at most {bound:.2%} by this one"
    )
    if review_rate is not None:
        told = "no score lies between" if manifest.review_threshold is None else ""
        told = told or f"REVIEW from {manifest.review_threshold:.4f} on"
        typer.echo(f"{told}: at most {review_rate:.2%} of good frames FAIL or REVIEW")
    typer.echo(
        f"reference memory {manifest.version} is active; `flawline memory rollback` undoes it"
    )
    if chosen.fail_threshold is not None:
        typer.echo(
            f"but the configuration says fail_threshold {chosen.fail_threshold:g} for this line, "
            "and that counts more: take it out to use the calibration",
            err=True,
        )


def _of_pictures(
    config: Config, line: Line, shelf: Shelf, normal: Path, *, whole_picture: bool
) -> list[float]:
    from scorer.calibration import score_normal
    from scorer.winclip import load_model

    images = read_crops(normal, line, whole_picture=whole_picture)
    console = Console(stderr=True)
    model = load_model(config.scorer.model)
    return [
        score
        for image in track(images, "scoring", console=console, disable=not console.is_terminal)
        for score in score_normal(model, line, shelf, [image])
    ]


def _of_store(config: Config, line: Line, shelf: Shelf, hours: float) -> list[float]:
    """Scores of the last `hours` against the features that judge now."""
    from scorer.calibration import active_version
    from sinks.store import Store

    features = shelf.manifest(line.name, active_version(shelf, line)).memory_sha256
    versions = {
        version
        for version in shelf.versions(line.name)
        if shelf.manifest(line.name, version).memory_sha256 == features
    }
    since_ns = SystemClock().wall_ns() - int(hours * S_PER_H * NS_PER_S)
    with Store.open_existing(config.store_url) as store:
        scores = [
            event.anomaly_score
            for event in store.events(line=line.name, outcomes=tuple(SCORED), since_ns=since_ns)
            if event.memory_version in versions and event.anomaly_score is not None
        ]
    if not scores:
        raise ConfigError(
            f"line {line.name} scored no frame in the last {hours:g} h with its active memory",
            "a longer time, or pictures with --normal",
        )
    return scores
