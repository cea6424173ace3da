"""`flawline evaluate`: what a model finds in labelled pictures."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from contract.config import ModelSettings
from contract.errors import ConfigError, StorageError
from flawline.options import require
from scorer.evaluation.published import published

if TYPE_CHECKING:
    from scorer.evaluation.accuracy import Figures
    from scorer.evaluation.dataset import Category
    from scorer.evaluation.evaluation import Row
    from scorer.scoring.winclip import WinClip

HEADINGS = {
    "image_auroc": "image AUROC",
    "image_aupr": "image AUPR",
    "image_f1_max": "image F1-max",
    "pixel_auroc": "pixel AUROC",
    "pixel_pro": "PRO",
    "pixel_f1_max": "pixel F1-max",
}


@dataclass(frozen=True)
class EvaluateOptions:
    """What to evaluate, on what, and where to write it."""

    root: Path
    categories: tuple[str, ...]
    shots: tuple[int, ...]
    seeds: int
    model: ModelSettings
    as_json: Path | None
    report: Path | None


def shots_of(text: str) -> tuple[int, ...]:
    """Numbers of references from `0,1,2,4`.

    Raises:
        ConfigError: something else.
    """
    try:
        shots = tuple(sorted({int(part) for part in text.split(",")}))
    except ValueError:
        shots = (-1,)
    if shots[0] < 0:
        raise ConfigError(f"--shots {text}", "numbers of references, such as 0,1,2,4,8")
    return shots


def run_evaluate(options: EvaluateOptions) -> None:
    """Evaluate, print the table, write what was asked for.

    Raises:
        ConfigError: no such category, or too few good pictures.
        ImageError, ModelError, StorageError: naming what would be right.
    """
    from scorer.evaluation.dataset import read_dataset
    from scorer.evaluation.evaluation import evaluate
    from scorer.scoring.winclip import load_model

    categories = read_dataset(options.root, options.categories)
    for target in (options.as_json, options.report):
        require_folder(target)
    if options.report is not None:
        for module in ("jinja2", "matplotlib"):
            require(module, extra="report")
    model = load_model(options.model)
    rows: list[Row] = []
    with follow(categories, options.shots, options.seeds) as steps:
        for category in categories:
            rows += evaluate(
                model,
                category,
                shots=options.shots,
                seeds=options.seeds,
                step=steps(category),
            )
    tell(rows, table_console())
    if options.as_json is not None:
        write(options.as_json, json.dumps(document(model, rows), indent=2) + "\n")
    if options.report is not None:
        from flawline.commands.evaluation_report import render_report

        write(options.report, render_report(model, options.model, rows))


@contextmanager
def follow(
    categories: Sequence[Category], shots: Sequence[int], seeds: int
) -> Iterator[Callable[[Category], Callable[[], None]]]:
    """Show progress; gives for each category what to call after each picture."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as progress:
        tasks = {
            category.name: progress.add_task(
                category.name,
                total=len(category.test) + min(len(category.train), max(shots) * seeds),
            )
            for category in categories
        }
        yield lambda category: partial(progress.advance, tasks[category.name])
        for task in progress.tasks:
            progress.update(task.id, total=task.completed)


def table_console() -> Console:
    """Where tables go; wide enough for them in a file."""
    return Console(width=None if Console().is_terminal else 160)


def document(model: WinClip, rows: Sequence[Row]) -> dict[str, Any]:
    """The figures as JSON; null where one is not defined."""
    from scorer.evaluation.evaluation import mean_figures

    shots = sorted({row.shots for row in rows})
    return {
        "model": model.fingerprint.model,
        "weights_sha256": model.fingerprint.weights_sha256,
        "preset": model.fingerprint.preset,
        "dtype": model.dtype,
        "language_weight": model.language_weight,
        "categories": [row_document(row) for row in rows],
        "mean": {
            str(count): plain(mean_figures(row for row in rows if row.shots == count))
            for count in shots
        },
        "published": [each._asdict() for each in published({row.category for row in rows})],
    }


def row_document(row: Row) -> dict[str, Any]:
    """One category with so many references as JSON."""
    return {
        "category": row.category,
        "shots": row.shots,
        "seeds": row.num_seeds,
        **plain(row.mean),
        "std": plain(row.std),
        "ci95": {
            name: [_number(low), _number(high)]
            for name, low, high in zip(row.mean._fields, *row.ci95, strict=True)
        },
        "seconds_per_image": row.seconds,
    }


def tell(rows: Sequence[Row], console: Console) -> None:
    """Print the table, and the published figures where there are any."""
    from scorer.evaluation.evaluation import mean_figures

    table = Table("category", "references", *HEADINGS.values())
    for row in rows:
        table.add_row(row.category, str(row.shots), *(shown(row, name) for name in HEADINGS))
    if len({row.category for row in rows}) > 1:
        table.add_section()
        for count in sorted({row.shots for row in rows}):
            mean = mean_figures(row for row in rows if row.shots == count)
            table.add_row("mean", str(count), *(percent(value) for value in mean))
    console.print(table)
    for each in published({row.category for row in rows}):
        console.print(
            f"{each.source}, {each.shots} references: image AUROC {percent(each.image_auroc)}, "
            f"pixel AUROC {percent(each.pixel_auroc)}, PRO {percent(each.pixel_pro)}"
        )
    console.print("In %, [95 % bootstrap interval over test pictures]; mean over the seeds.")


def shown(row: Row, name: str) -> str:
    """A figure with its interval."""
    low, high = (percent(getattr(end, name)) for end in row.ci95)
    value = percent(getattr(row.mean, name))
    return value if value == "-" else f"{value} [{low}, {high}]"


def percent(value: float) -> str:
    """A share as the field writes it."""
    return "-" if math.isnan(value) else f"{100 * value:.1f}"


def plain(figures: Figures) -> dict[str, float | None]:
    """Figures as JSON; null where one is not defined."""
    return {name: _number(value) for name, value in figures._asdict().items()}


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value


def require_folder(target: Path | None) -> None:
    """Say now, and not after an hour, that a file cannot be written."""
    if target is not None and not target.resolve().parent.is_dir():
        raise StorageError(f"cannot write {target}: there is no folder {target.resolve().parent}")


def write(path: Path, text: str) -> None:
    """Write `text`.

    Raises:
        StorageError: naming why not.
    """
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror}") from None
