"""Labelled pictures on disk: MVTec-AD, VisA, and any folder in the layout of MVTec-AD.

ROOT[/<category>]/train/good/*, test/good/*, test/<defect>/*,
ROOT[/<category>]/ground_truth/<defect>/<name>_mask.png        masks are optional
ROOT/split_csv/1cls.csv                                        VisA: object,split,label,image,mask
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from contract.errors import ConfigError, StorageError
from contract.image import list_images, read_image

GOOD: Final = "good"
GREY_MASK_LEVEL: Final = 127
VISA_MASK_LEVEL: Final = 0
VISA_SPLIT: Final = Path("split_csv") / "1cls.csv"
SYSTEM_FOLDERS: Final = ("__MACOSX", "$RECYCLE.BIN", "#recycle", "lost+found")
SYSTEM_PREFIXES: Final = (".", "@")
VISA_COLUMNS: Final = frozenset({"object", "split", "label", "image", "mask"})


@dataclass(frozen=True)
class Sample:
    """A test picture: what is wrong with it (`good`: nothing), and where, if that is known.

    In the mask what is brighter than `mask_level`, of 255, is defective.
    """

    image: Path
    defect: str
    mask: Path | None = None
    mask_level: int = GREY_MASK_LEVEL

    @property
    def is_bad(self) -> bool:
        return self.defect != GOOD


@dataclass(frozen=True)
class Category:
    """One product: good pictures to choose references from, and test pictures.

    Attributes:
        has_masks: every bad picture has one.
    """

    name: str
    train: tuple[Path, ...]
    test: tuple[Sample, ...]

    @property
    def has_masks(self) -> bool:
        return all(sample.mask is not None for sample in self.test if sample.is_bad)


def read_mask(sample: Sample) -> npt.NDArray[np.bool_]:
    """Where the picture is defective, (H, W).

    Raises:
        ConfigError: nowhere, or it has no mask.
        ImageError: the mask cannot be read.
    """
    if sample.mask is None:
        raise ConfigError(f"{sample.image} has no mask")
    mask: npt.NDArray[np.bool_] = read_image(sample.mask).max(axis=2) > sample.mask_level
    if not mask.any():
        raise ConfigError(
            f"{sample.mask} shows no defect",
            f"pixels above {sample.mask_level}, or the picture belongs to test/good",
        )
    return mask


def read_dataset(root: Path, names: Iterable[str] = ()) -> list[Category]:
    """The categories in `root`, by name; `names`: only these.

    Raises:
        ConfigError: no such category, or none at all.
        ImageError: a folder without pictures.
        StorageError: VisA's split file cannot be read.
    """
    found = _visa(root) if (root / VISA_SPLIT).is_file() else _mvtec(root)
    if not found:
        raise ConfigError(
            f"no category in {root}", "expected train/good and test/good in it or in its folders"
        )
    wanted = list(names)
    known = {category.name: category for category in found}
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise ConfigError(f"no category {unknown[0]!r} in {root}", f"one of {', '.join(known)}")
    return [known[name] for name in wanted] if wanted else found


def _mvtec(root: Path) -> list[Category]:
    if not root.is_dir():
        raise ConfigError(f"{root} is not a folder", "a dataset in the layout of MVTec-AD")
    folders = [root] if (root / "train" / GOOD).is_dir() else _folders(root)
    return [_category(folder) for folder in folders if (folder / "train" / GOOD).is_dir()]


def _category(folder: Path) -> Category:
    if not (folder / "test").is_dir():
        raise ConfigError(f"{folder} has no folder test", "test/good and test/<defect>")
    truth = folder / "ground_truth"
    samples = [
        Sample(image, kind.name, _mask(truth, kind.name, image))
        for kind in _folders(folder / "test")
        for image in list_images(kind)
    ]
    train = tuple(list_images(folder / "train" / GOOD))
    return _checked(Category(folder.resolve().name, train, tuple(samples)), truth.is_dir())


def _folders(directory: Path) -> list[Path]:
    """What people put there, by name; not what notebooks, archives and file servers leave."""
    return sorted(
        path
        for path in directory.iterdir()
        if path.is_dir()
        and not path.name.startswith(SYSTEM_PREFIXES)
        and path.name not in SYSTEM_FOLDERS
    )


def _mask(truth: Path, defect: str, image: Path) -> Path | None:
    if defect == GOOD:
        return None
    names = (f"{image.stem}_mask.png", f"{image.stem}.png")
    return next(
        (truth / defect / name for name in names if (truth / defect / name).is_file()), None
    )


def _visa(root: Path) -> list[Category]:
    try:
        with (root / VISA_SPLIT).open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise StorageError(f"cannot read {root / VISA_SPLIT} ({type(error).__name__})") from None
    if not rows or not rows[0].keys() >= VISA_COLUMNS:
        raise ConfigError(
            f"{root / VISA_SPLIT} is not VisA's split file",
            f"columns {', '.join(sorted(VISA_COLUMNS))}",
        )
    return [
        _checked(
            Category(
                name,
                tuple(root / row["image"] for row in rows if _of(row, name, "train")),
                tuple(_visa_sample(root, row) for row in rows if _of(row, name, "test")),
            ),
            complete=True,
        )
        for name in dict.fromkeys(row["object"] for row in rows)
    ]


def _of(row: dict[str, str], name: str, split: str) -> bool:
    return row["object"] == name and row["split"] == split


def _visa_sample(root: Path, row: dict[str, str]) -> Sample:
    good = row["label"] == "normal"
    mask = root / row["mask"] if row["mask"] else None
    if good:
        return Sample(root / row["image"], GOOD)
    # VisA's own masks hold the number of the kind of defect, not white.
    return Sample(root / row["image"], "anomaly", mask, VISA_MASK_LEVEL)


def _checked(category: Category, complete: bool) -> Category:
    """Refuse masks for some: pixel figures of half the defects would mislead."""
    if not category.train or not category.test:
        raise ConfigError(f"category {category.name} has no pictures to learn from or to test")
    bare = [sample for sample in category.test if sample.is_bad and sample.mask is None]
    if complete and bare:
        raise ConfigError(
            f"category {category.name}: {len(bare)} defective picture(s) without mask, e.g. "
            f"{bare[0].image}",
            f"{bare[0].image.stem}_mask.png in ground_truth, or no folder ground_truth at all",
        )
    return category
