"""Make the training pool: groups of four views of one product, as memory-mapped arrays."""

import argparse
import json
import os
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from tools.mini.noise import Rng
from tools.mini.parts import PARTS
from tools.mini.patterns import PATTERNS
from tools.mini.scene import CANVAS, View, group, part_renderer, surface_renderer
from tools.mini.surfaces import BELTS, SURFACES
from tools.mini.vocabulary import KINDS

VIEWS, DEFECTIVE = 4, 2
POOL = Path("build/mini/pool")
TEXTURES = SURFACES + PATTERNS


def training_group(seed: int, number: int) -> tuple[str, list[View]]:
    """One product: name and four views, the last two defective.

    Args:
        seed: of the pool.
        number: of the group in the pool; every other group shows a part on a belt.
    """
    rng = np.random.default_rng((seed, number))
    if number % 2:
        part = PARTS[rng.integers(len(PARTS))](rng)
        belt = BELTS[rng.integers(len(BELTS))](rng)
        name, render = part.name, part_renderer(rng, part, belt)
    else:
        surface = TEXTURES[rng.integers(len(TEXTURES))](rng)
        name, render = surface.name, surface_renderer(rng, surface)
    return name, group(rng, render, VIEWS, draw_kinds(rng, DEFECTIVE))


def make_pool(folder: Path, groups: int, seed: int, processes: int) -> None:
    """Write images.npy uint8 [N, 4, 304, 304, 3], masks.npy, kinds.npy [N, 4] and names.json."""
    folder.mkdir(parents=True, exist_ok=True)
    shape = (groups, VIEWS, CANVAS, CANVAS)
    images = np.lib.format.open_memmap(folder / "images.npy", "w+", np.uint8, (*shape, 3))
    masks = np.lib.format.open_memmap(folder / "masks.npy", "w+", np.uint8, shape)
    kinds, names, start = np.zeros((groups, VIEWS), np.int64), [], time.monotonic()
    with ProcessPoolExecutor(processes, initializer=os.nice, initargs=(10,)) as pool:
        made = pool.map(training_group, [seed] * groups, range(groups), chunksize=8)
        for number, (name, views) in enumerate(made):
            names.append(name)
            for place, view in enumerate(views):
                images[number, place], masks[number, place] = view.image, view.mask
                kinds[number, place] = view.kind
            if number % 200 == 199:
                print(f"{number + 1}/{groups} in {time.monotonic() - start:.0f} s", flush=True)
    np.save(folder / "kinds.npy", kinds)
    (folder / "names.json").write_text(json.dumps(names))


def draw_kinds(rng: Rng, count: int) -> list[str]:
    """Random kinds of defect, all different."""
    return [str(kind) for kind in rng.choice(KINDS, count, replace=False)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=POOL)
    parser.add_argument("--groups", type=int, default=3600, help="1.5 MB each")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    args = parser.parse_args()
    make_pool(args.folder, args.groups, args.seed, args.processes)


if __name__ == "__main__":
    main()
