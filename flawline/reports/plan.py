"""What is to be evaluated, and how far it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from contract.config import ModelSettings
from flawline.screen import Screen, printable

if TYPE_CHECKING:
    from scorer.evaluation.dataset import Category


@dataclass(frozen=True)
class EvaluationPlan:
    """What to evaluate, on what, and where to write it."""

    root: Path
    categories: tuple[str, ...]
    shots: tuple[int, ...]
    seeds: int
    model: ModelSettings
    as_json: Path | None
    report: Path | None


@contextmanager
def follow(
    categories: Sequence[Category], shots: Sequence[int], seeds: int
) -> Iterator[Callable[[Category], Callable[[], None]]]:
    """Show progress; gives for each category what to call after each picture."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Screen(stderr=True)) as progress:
        tasks = {
            category.name: progress.add_task(
                printable(category.name),
                total=len(category.test) + min(len(category.train), max(shots) * seeds),
            )
            for category in categories
        }
        yield lambda category: partial(progress.advance, tasks[category.name])
        for task in progress.tasks:
            progress.update(task.id, total=task.completed)
