"""What is to be evaluated, and how far it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from contract.config import ModelSettings

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
