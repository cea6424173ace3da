"""All measurements by name, and how they are told."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from rich.console import Console

from benchmarks import growth, process
from benchmarks.contestants import random_weights
from benchmarks.machine import machine
from benchmarks.speed import speed
from scorer.clip.models import MINI


@dataclass(frozen=True)
class Task:
    """What to measure.

    Attributes:
        model: architecture; other than the bundled one it has random weights unless given.
        weights: safetensors file of that architecture, or None.
        dtype: compute type where only one is measured.
        rounds: how often each contender is asked.
        frames: length of the run that looks at memory.
        anomalib: Python of an environment with anomalib, or None.
        naive: measure one window at a time, too, which is slow.
        scratch: folder for what the run needs.
    """

    model: str
    weights: Path | None
    dtype: str
    rounds: int
    frames: int
    anomalib: Path | None
    naive: bool
    scratch: Path


def _speed(task: Task) -> dict[str, Any]:
    return speed(
        task.model,
        task.weights,
        task.scratch,
        rounds=task.rounds,
        anomalib=task.anomalib,
        naive=task.naive,
    )


def _growth(measure: Callable[..., dict[str, Any]]) -> Callable[[Task], dict[str, Any]]:
    def run(task: Task) -> dict[str, Any]:
        return measure(task.model, task.weights, dtype=task.dtype, rounds=task.rounds)

    return run


def _shell(task: Task) -> dict[str, Any]:
    return process.shell(task.scratch, frames=max(20, 10 * task.rounds))


def _resident(task: Task) -> dict[str, Any]:
    model = {"name": task.model, "dtype": task.dtype}
    if task.weights is not None:
        model["weights"] = str(task.weights)
    return process.resident(task.scratch, model, lines=8, frames=task.frames)


SUITE: Final[Mapping[str, Callable[[Task], dict[str, Any]]]] = MappingProxyType(
    {
        "speed": _speed,
        "lines": _growth(growth.lines),
        "tiles": _growth(growth.tiles),
        "references": _growth(growth.references),
        "shell": _shell,
        "resident": _resident,
    }
)


def measure(
    names: Sequence[str],
    *,
    model: str,
    weights: Path | None,
    dtype: str,
    rounds: int,
    frames: int,
    anomalib: Path | None,
    naive: bool,
) -> dict[str, Any]:
    """Figures of the named measurements, and of the machine they were made on."""
    with tempfile.TemporaryDirectory(prefix="flawline-bench-") as scratch:
        if weights is None and model != MINI:
            weights = random_weights(model, Path(scratch) / "weights.safetensors")
        task = Task(model, weights, dtype, rounds, frames, anomalib, naive, Path(scratch))
        figures = {}
        console = Console(stderr=True)
        for name in names:
            with console.status(f"measuring {name}"):
                figures[name] = SUITE[name](task)
    return {"machine": machine(), "model": model, "figures": figures}


def tell(document: Mapping[str, Any], console: Console) -> None:
    """Print figures as lines of text."""
    for key, value in document["machine"].items():
        console.print(f"{key:24} {value}", highlight=False, markup=False)
    for name, figures in document["figures"].items():
        console.print(f"\n{name} ({document['model']})", markup=False)
        for key, value in _flat(figures):
            shown = f"{value:.4g}" if isinstance(value, float) else value
            console.print(f"  {key:72} {shown}", highlight=False, markup=False, soft_wrap=True)


def _flat(figures: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = []
    for key, value in figures.items():
        label = f"{prefix}{key}"
        rows += _flat(value, f"{label}: ") if isinstance(value, Mapping) else [(label, value)]
    return rows
