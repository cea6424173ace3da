"""What the model is measured on: product families unseen in training, in MVTec-AD's layout."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tools.mini.augment import camera, crop
from tools.mini.data import draw_kinds
from tools.mini.parts import HELD_OUT_PARTS
from tools.mini.patterns import HELD_OUT_PATTERNS
from tools.mini.scene import Renderer, View, group, part_renderer, surface_renderer
from tools.mini.surfaces import BELTS, HELD_OUT_SURFACES
from tools.mini.vocabulary import KINDS

Bytes = NDArray[np.uint8]


def write_held_out(root: Path, seed: int, *, references: int, normal: int, defective: int) -> None:
    """Write one product of each held-out family, at any place of its image, under `root`.

    Args:
        seed: of products, views and defects.
        references: good pictures to learn from.
        normal, defective: test pictures of each class; masks beside the defective ones.
    """
    for number, family in enumerate(HELD_OUT_PARTS):
        rng = np.random.default_rng((seed, 1, number))
        part, belt = family(rng), BELTS[rng.integers(len(BELTS))](rng)
        render = part_renderer(rng, part, belt)
        _write(root / part.name, rng, render, references, normal, defective)
    for number, texture in enumerate(HELD_OUT_SURFACES + HELD_OUT_PATTERNS):
        rng = np.random.default_rng((seed, 2, number))
        surface = texture(rng)
        render = surface_renderer(rng, surface)
        _write(root / surface.name, rng, render, references, normal, defective)


def _write(
    folder: Path,
    rng: np.random.Generator,
    render: Renderer,
    references: int,
    normal: int,
    defective: int,
) -> None:
    kinds = [kind for _ in range(defective) for kind in draw_kinds(rng, 1)]
    for number, view in enumerate(group(rng, render, references + normal + defective, kinds)):
        image, mask = _visible(rng, view)
        # A crop may have lost the defect: then it shows a good part.
        kind = KINDS[view.kind] if mask.any() else "good"
        name = f"{number:03}.png"
        part = "train" if number < references else "test"
        _save(camera(rng, image), folder / part / kind / name)
        if mask.any():
            _save(mask * 255, folder / "ground_truth" / kind / f"{number:03}_mask.png")


def _visible(rng: np.random.Generator, view: View) -> tuple[Bytes, Bytes]:
    """A crop at a random place that keeps the defect, if there is one, mostly in view."""
    for _ in range(20):
        images, masks = crop(rng, view.image[None], view.mask[None], moving=True, turned=False)
        if masks.sum() >= 0.5 * view.mask.sum():
            break
    return images[0], masks[0]


def _save(picture: Bytes, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path)
