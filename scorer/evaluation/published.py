"""Published figures of WinCLIP and WinCLIP+, to stand beside ours.

Sources: Jeong et al., CVPR 2023, tables 1 to 4 and appendix ("paper"); the public reproduction
zqhang/Accurate-WinCLIP-pytorch ("reproduction").
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Final, NamedTuple

MVTEC: Final = frozenset(
    {
        "bottle",
        "cable",
        "capsule",
        "carpet",
        "grid",
        "hazelnut",
        "leather",
        "metal_nut",
        "pill",
        "screw",
        "tile",
        "toothbrush",
        "transistor",
        "wood",
        "zipper",
    }
)
VISA: Final = frozenset(
    {
        "candle",
        "capsules",
        "cashew",
        "chewinggum",
        "fryum",
        "macaroni1",
        "macaroni2",
        "pcb1",
        "pcb2",
        "pcb3",
        "pcb4",
        "pipe_fryum",
    }
)


class Published(NamedTuple):
    """Means over all categories, in [0, 1]."""

    source: str
    shots: int
    image_auroc: float
    pixel_auroc: float
    pixel_pro: float


def _table(rows: Mapping[str, str]) -> tuple[Published, ...]:
    return tuple(
        Published(source, shots, *(float(number) / 100 for number in cell.split("/")))
        for source, cells in rows.items()
        for shots, cell in zip((0, 1, 2, 4), cells.split(), strict=True)
    )


PUBLISHED: Final[Mapping[Set[str], tuple[Published, ...]]] = {
    MVTEC: _table(
        {
            "paper": "91.8/85.1/64.6 93.1/95.2/87.1 94.4/96.0/88.4 95.2/96.2/89.0",
            "reproduction": "90.4/82.3/61.9 93.7/93.6/84.1 93.7/93.8/84.8 95.3/94.2/85.4",
        }
    ),
    VISA: _table(
        {
            "paper": "78.1/79.6/56.8 83.8/96.4/85.1 84.6/96.8/86.2 87.3/97.2/87.6",
            "reproduction": "75.5/73.2/51.0 83.8/94.7/80.5 83.4/95.1/81.2 84.1/95.2/81.4",
        }
    ),
}


def published(categories: Set[str]) -> tuple[Published, ...]:
    """Figures for a whole data set; none for a part of one, or for any other."""
    return PUBLISHED.get(frozenset(categories), ())
