"""Measure an exported model: four-shot association and zero-shot, image and pixel AUROC.

Without `--root`: procedural products of families unseen in training. With it: any folder in the
layout of MVTec-AD. Random weights of the same architecture are measured beside the model.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from open_clip.model import CLIP
from safetensors.torch import load_file
from sklearn.metrics import roc_auc_score
from torch import Tensor

from tools.mini.export import ASSETS
from tools.mini.model import NAME, load_packaged
from tools.mini.sets import Category, folders, held_out
from tools.mini.teacher import clip_input
from tools.mini.vocabulary import Tokens
from tools.mini.winclip import Features, association, encode, prototypes, to_pixels, zero_shot

SHOTS = 4
Figures = dict[str, list[float]]


def load(folder: Path) -> tuple[CLIP, Tokens]:
    """The exported model and its tokeniser."""
    state = load_file(folder / f"{NAME}.safetensors")
    tokens = Tokens(state.pop("vocabulary"))
    return load_packaged(folder / f"{NAME}.json", state), tokens


def random_model(folder: Path, seed: int) -> CLIP:
    """open_clip's own random weights of the same architecture."""
    config = json.loads((folder / f"{NAME}.json").read_text())
    torch.manual_seed(seed)
    return CLIP(config["embed_dim"], config["vision_cfg"], config["text_cfg"]).eval()


def auroc(image: Tensor, maps: Tensor, category: Category) -> list[float]:
    """Image and pixel AUROC of image scores [N] and maps [N, 225]."""
    pixels = to_pixels(maps).flatten().numpy()
    return [
        float(roc_auc_score(category.labels.numpy(), image.numpy())),
        float(roc_auc_score(category.masks.flatten().numpy(), pixels)),
    ]


def four_shot(query: Features, pool: Features, category: Category, seed: int) -> Figures:
    """Figures of each association map for one random choice of four references."""
    picks = torch.randperm(len(pool.image), generator=torch.Generator().manual_seed(seed))
    maps = association(query, pool[picks[:SHOTS].tolist()])
    return {f"4-shot {key}": auroc(map_.amax(1), map_, category) for key, map_ in maps.items()}


def measure(model: CLIP, tokens: Tokens, category: Category, seeds: int) -> Figures:
    """Mean figures of one category, four-shot over `seeds` choices, and zero-shot."""
    query = encode(model, clip_input(category.images))
    pool = encode(model, clip_input(category.references))
    runs = defaultdict(list)
    for seed in range(seeds):
        for key, pair in four_shot(query, pool, category, seed).items():
            runs[key].append(pair)
    figures: Figures = {key: np.mean(pairs, axis=0).tolist() for key, pairs in runs.items()}
    image, maps = zero_shot(query, prototypes(model, tokens, category.name))
    figures["0-shot"] = auroc(image, maps, category)
    return figures


def table(
    categories: Iterable[Category], models: dict[str, CLIP], tokens: Tokens, seeds: int
) -> dict[str, Figures]:
    """Measure every model on every category, print as it goes, add the means."""
    rows: dict[str, Figures] = {}
    for category in categories:
        for name, model in models.items():
            row = measure(model, tokens, category, seeds)
            rows[f"{category.name}, {name}"] = row
            _show(f"{category.name}, {name}", row)
    for name in models:
        mine = [row for key, row in rows.items() if key.endswith(f", {name}")]
        mean = {key: np.mean([row[key] for row in mine], axis=0).tolist() for key in mine[0]}
        rows[f"mean, {name}"] = mean
        _show(f"mean, {name}", mean)
    return rows


def _show(name: str, row: Figures) -> None:
    cells = "  ".join(f"{key} {image:.3f}/{pixel:.3f}" for key, (image, pixel) in row.items())
    print(f"{name:32s} {cells}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--assets", type=Path, default=ASSETS)
    parser.add_argument("--root", type=Path, help="categories in the layout of MVTec-AD")
    parser.add_argument("--seeds", type=int, default=3, help="choices of references")
    parser.add_argument("--images", type=int, default=24, help="of each class, procedural only")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path, help="write the figures here")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    model, tokens = load(args.assets)
    models = {"model": model, "random": random_model(args.assets, seed=0)}
    made = held_out(seed=7, references=12, normal=args.images, defective=args.images)
    rows = table(folders(args.root) if args.root else made, models, tokens, args.seeds)
    if args.json:
        args.json.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
