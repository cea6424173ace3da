"""What the model is measured on: product families unseen in training, or folders of images."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from tools.mini.augment import camera, crop
from tools.mini.data import draw_kinds
from tools.mini.model import SIDE
from tools.mini.parts import HELD_OUT_PARTS
from tools.mini.patterns import HELD_OUT_PATTERNS
from tools.mini.scene import Renderer, group, part_renderer, surface_renderer
from tools.mini.surfaces import BELTS, HELD_OUT_SURFACES

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp"}
Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Category:
    """One product.

    Attributes:
        name: the object word.
        references: normal images to choose references from, uint8 [R, 240, 240, 3].
        images: uint8 [N, 240, 240, 3].
        masks: bool [N, 240, 240].
        labels: bool [N], true for a defective image.
    """

    name: str
    references: Tensor
    images: Tensor
    masks: Tensor
    labels: Tensor


def held_out(seed: int, references: int, normal: int, defective: int) -> Iterator[Category]:
    """Procedural products of families unseen in training, each at any place of its image."""
    for number, family in enumerate(HELD_OUT_PARTS):
        rng = np.random.default_rng((seed, 1, number))
        part, belt = family(rng), BELTS[rng.integers(len(BELTS))](rng)
        render = part_renderer(rng, part, belt)
        yield _made(rng, part.name, render, references, normal, defective)
    for number, texture in enumerate(HELD_OUT_SURFACES + HELD_OUT_PATTERNS):
        rng = np.random.default_rng((seed, 2, number))
        surface = texture(rng)
        render = surface_renderer(rng, surface)
        yield _made(rng, surface.name, render, references, normal, defective)


def _made(
    rng: np.random.Generator,
    name: str,
    render: Renderer,
    references: int,
    normal: int,
    defective: int,
) -> Category:
    images, masks = [], []
    kinds = [kind for _ in range(defective) for kind in draw_kinds(rng, 1)]
    for view in group(rng, render, references + normal + defective, kinds):
        cut, mask = _visible(rng, view.image, view.mask)
        images.append(camera(rng, cut))
        masks.append(mask > 0)
    pictures, truth = torch.from_numpy(np.stack(images)), torch.from_numpy(np.stack(masks))
    tests = truth[references:]
    labels = tests.flatten(1).any(1)
    return Category(name, pictures[:references], pictures[references:], tests, labels)


def _visible(rng: np.random.Generator, image: Bytes, mask: Bytes) -> tuple[Bytes, Bytes]:
    """A crop at a random place that keeps the defect, if there is one, mostly in view."""
    for _ in range(20):
        images, masks = crop(rng, image[None], mask[None], moving=True, turned=False)
        if masks.sum() >= 0.5 * mask.sum():
            break
    return images[0], masks[0]


def folders(root: Path) -> Iterator[Category]:
    """Categories of a root in the layout of MVTec-AD; images are squashed to 240 x 240."""
    for folder in sorted(path for path in root.iterdir() if (path / "train" / "good").is_dir()):
        images, masks = [], []
        for path in _files(folder / "test"):
            kind = path.parent.name
            images.append(_image(path))
            truth = folder / "ground_truth" / kind / f"{path.stem}_mask.png"
            masks.append(np.zeros((SIDE, SIDE), bool) if kind == "good" else _mask(truth))
        labels = torch.tensor([path.parent.name != "good" for path in _files(folder / "test")])
        references = np.stack([_image(path) for path in _files(folder / "train" / "good")])
        yield Category(
            folder.name.replace("_", " "),
            torch.from_numpy(references),
            torch.from_numpy(np.stack(images)),
            torch.from_numpy(np.stack(masks)),
            labels,
        )


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)


def _image(path: Path) -> Bytes:
    image = Image.open(path).convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    return np.asarray(image)


def _mask(path: Path) -> NDArray[np.bool_]:
    image = Image.open(path).convert("L").resize((SIDE, SIDE), Image.Resampling.BOX)
    return np.asarray(image) >= 128
