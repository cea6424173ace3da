"""What is to be evaluated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

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


def num_pictures(category: Category, shots: Sequence[int], seeds: int) -> int:
    """How many pictures the tower sees at most: the test and, once each, the references."""
    return len(category.test) + min(len(category.train), max(shots) * seeds)
