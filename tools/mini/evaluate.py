"""Measure the shipped model beside random weights of its architecture.

Without `--root`: procedural products of families unseen in training. With it: any data set that
`flawline evaluate` reads. The figures are those of `flawline evaluate`: with references by
association alone, without any by words alone.
"""

import argparse
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import torch
from open_clip.model import CLIP

from scorer.clip.models import MINI, load_clip
from scorer.clip.presets import PRESETS
from scorer.evaluation.dataset import read_dataset
from scorer.evaluation.evaluation import Row, evaluate, mean_figures
from scorer.scoring.winclip import WinClip
from tools.mini.sets import write_held_out

HELD_OUT = Path("build/mini/held_out")
TEST_SEED = 7


def shipped_and_random(seed: int) -> dict[str, WinClip]:
    """The embedded model, and open_clip's own random weights of the same architecture."""
    loaded = load_clip(MINI)
    config = json.loads((files("scorer") / "assets" / f"{MINI}.json").read_text("utf-8"))
    torch.manual_seed(seed)
    clip = CLIP(config["embed_dim"], config["vision_cfg"], config["text_cfg"]).eval()
    both = {"model": loaded, "random": replace(loaded, clip=clip, weights_sha256="0" * 64)}
    return {
        name: WinClip.of(each, preset=PRESETS["paper"], language_weight=0.0)
        for name, each in both.items()
    }


def cell(row: Row, name: str) -> str:
    """A figure in % with its 95 % interval."""
    low, high = (100 * getattr(end, name) for end in row.ci95)
    return f"{100 * getattr(row.mean, name):.1f} [{low:.1f}, {high:.1f}]"


def show(rows: Mapping[str, Sequence[Row]]) -> None:
    """The table as Markdown: image and pixel AUROC."""
    print("| category | references | image | pixel | image, random | pixel, random |")
    print("|---|---|---|---|---|---|")
    for ours, random in zip(rows["model"], rows["random"], strict=True):
        cells = [cell(row, f"{of}_auroc") for row in (ours, random) for of in ("image", "pixel")]
        print(f"| {ours.category} | {ours.shots} | {' | '.join(cells)} |")
    for shots in sorted({row.shots for row in rows["model"]}):
        means = [
            f"{100 * getattr(mean_figures(r for r in each if r.shots == shots), f'{of}_auroc'):.1f}"
            for each in (rows["model"], rows["random"])
            for of in ("image", "pixel")
        ]
        print(f"| mean | {shots} | {' | '.join(means)} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, help="a data set that `flawline evaluate` reads")
    parser.add_argument("--shots", type=int, nargs="+", default=[0, 1, 2, 4])
    parser.add_argument("--seeds", type=int, default=5, help="choices of references")
    parser.add_argument("--images", type=int, default=24, help="of each class, procedural only")
    parser.add_argument("--seed", type=int, default=TEST_SEED, help="of the procedural products")
    args = parser.parse_args()
    root = args.root
    if root is None:
        root = HELD_OUT / str(args.seed)
        shutil.rmtree(root, ignore_errors=True)
        write_held_out(root, args.seed, references=12, normal=args.images, defective=args.images)
    rows: dict[str, list[Row]] = {}
    for name, model in shipped_and_random(seed=0).items():
        rows[name] = [
            row
            for category in read_dataset(root)
            for row in evaluate(model, category, shots=args.shots, seeds=args.seeds)
        ]
    show(rows)


if __name__ == "__main__":
    main()
