"""The ablations of the paper: what WinCLIP loses without one of its parts.

Tables 3, 5, 6 and 8 of Jeong et al., CVPR 2023, row by row. "normal [o]" and "anomalous [o]" stand
as the paper prints them, without a template, and so do the states of row (b), which it does not
print. In table 5 the words' score is that of ten crops, whose 91.8 the paper gives. Table 6 is read
as its caption says, equation (5): the references' map without the words'. "Image tiling" of table 8
is another method and is not built.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final, NamedTuple

from scorer.clip.presets import IMAGE, PATCH, PRESETS, Preset, window

Percents = tuple[float, ...]
PAPER: Final = PRESETS["paper"]


class Variant(NamedTuple):
    """A row: WinCLIP with some of its parts.

    Attributes:
        label: as in the paper.
        preset: what takes part.
        language_weight: weight of the words; None: the model's own.
        multi_crop: the image's score in words is the mean over ten crops.
        published: by number of references, the paper's values on MVTec-AD in %.
    """

    label: str
    preset: Preset
    language_weight: float | None = None
    multi_crop: bool = False
    published: Mapping[int, Percents] = MappingProxyType({})


class Table(NamedTuple):
    """A table of the paper.

    Attributes:
        title: what it is about.
        figures: names of the figures it gives.
        by_words: without references; else for each number of references.
        variants: its rows.
    """

    title: str
    figures: tuple[str, ...]
    by_words: bool
    variants: tuple[Variant, ...]

    def shots(self, asked: tuple[int, ...]) -> tuple[int, ...]:
        """The numbers of references that make sense here."""
        return (0,) if self.by_words else tuple(count for count in asked if count > 0)


ONE_WORD: Final = replace(
    PAPER,
    name="two-class",
    templates=("{}",),
    normal_states=("normal {}",),
    anomalous_states=("anomalous {}",),
)


def _without(name: str, scale: str) -> Preset:
    kept = tuple(each for each in PAPER.language_maps if each != scale)
    return replace(PAPER, name=name, language_maps=kept)


def _by_shots(*values: float) -> dict[int, Percents]:
    return {count: (value,) for count, value in zip((1, 2, 4, 8), values, strict=True)}


TABLES: Final[Mapping[str, Table]] = MappingProxyType(
    {
        "table3": Table(
            "words: the image's score",
            ("image_auroc", "image_aupr", "image_f1_max"),
            True,
            (
                Variant(
                    "(a) one-class",
                    replace(ONE_WORD, name="one-class", two_class=False),
                    published={0: (34.2, 68.9, 83.5)},
                ),
                Variant("two-class", ONE_WORD, published={0: (74.0, 89.1, 88.5)}),
                Variant(
                    "(b) + state ensemble",
                    replace(PAPER, name="state-ensemble", templates=("{}",)),
                    published={0: (89.8, 95.6, 92.2)},
                ),
                Variant("(c) + prompt ensemble", PAPER, published={0: (90.8, 96.1, 92.5)}),
                Variant(
                    "(d) + multi-crop", PAPER, multi_crop=True, published={0: (91.8, 96.5, 92.9)}
                ),
            ),
        ),
        "table5": Table(
            "words and references: the image's score",
            ("image_auroc",),
            False,
            (
                Variant(
                    "words",
                    PAPER,
                    1.0,
                    multi_crop=True,
                    published=_by_shots(91.8, 91.8, 91.8, 91.8),
                ),
                Variant("references", PAPER, 0.0, published=_by_shots(87.9, 91.0, 92.6, 94.5)),
                Variant(
                    "both", PAPER, 0.5, multi_crop=True, published=_by_shots(93.1, 94.4, 95.2, 96.3)
                ),
            ),
        ),
        "table6": Table(
            "scales of the references: the map",
            ("pixel_auroc",),
            False,
            tuple(
                Variant(
                    label,
                    replace(PAPER, name=f"association-{len(scales)}", association_maps=scales),
                    0.0,
                    published=_by_shots(*values),
                )
                for label, scales, values in (
                    ("patch", (PATCH,), (94.5, 94.8, 95.4, 95.8)),
                    ("+ window-3", (PATCH, window(3)), (95.1, 95.7, 96.3, 96.6)),
                    ("+ window-2", (PATCH, window(2), window(3)), (95.2, 96.0, 96.2, 96.5)),
                )
            ),
        ),
        "table8": Table(
            "scales and averages of the words: the map",
            ("pixel_auroc", "pixel_pro", "pixel_f1_max"),
            True,
            (
                Variant(
                    "patch-token",
                    replace(PAPER, name="patch-token", language_maps=(PATCH,)),
                    published={0: (22.4, 2.3, 8.0)},
                ),
                Variant("WinCLIP", PAPER, published={0: (85.1, 64.6, 31.7)}),
                Variant(
                    "without image-scale",
                    _without("without-image", IMAGE),
                    published={0: (82.0, 63.0, 29.5)},
                ),
                Variant(
                    "without mid-scale",
                    _without("without-mid", window(3)),
                    published={0: (84.0, 61.6, 30.5)},
                ),
                Variant(
                    "without small-scale",
                    _without("without-small", window(2)),
                    published={0: (84.7, 63.6, 30.6)},
                ),
                Variant(
                    "without harmonic average",
                    replace(PAPER, name="arithmetic", average="arithmetic"),
                    published={0: (81.5, 60.5, 27.3)},
                ),
            ),
        ),
    }
)
