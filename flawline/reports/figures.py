"""Figures of an evaluation as people and programs read them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scorer.evaluation.accuracy import Figures
    from scorer.evaluation.evaluation import Row

HEADINGS = {
    "image_auroc": "image AUROC",
    "image_aupr": "image AUPR",
    "image_f1_max": "image F1-max",
    "pixel_auroc": "pixel AUROC",
    "pixel_pro": "PRO",
    "pixel_f1_max": "pixel F1-max",
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
