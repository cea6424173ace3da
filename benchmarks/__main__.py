"""`python -m benchmarks`: what a frame costs, against one window at a time, in one run."""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.machine import machine
from scorer.tower import ImageTower
from scorer.winclip import WinClip

Contender = Callable[[Tensor], object]


def one_window_at_a_time(tower: ImageTower) -> Contender:
    """The tower as equation (2) is written: one pass of open_clip's transformer per window."""
    visual = tower.visual

    def run(pixels: Tensor) -> None:
        with torch.inference_mode():
            tokens = visual._embeds(pixels)
            visual.transformer(tokens)
            for windows in tower.window_patches:
                for window in F.pad(windows + 1, (1, 0)):
                    visual.ln_post(visual.transformer(tokens[:, window]))[:, 0] @ visual.proj

    return run


def median_s(contenders: dict[str, Contender], pixels: Tensor, rounds: int) -> dict[str, float]:
    """Median seconds of each contender; rounds are interleaved so that noise hits all alike."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(rounds + 1):
        for name, run in contenders.items():
            start_s = time.perf_counter()
            run(pixels)
            if number:
                times[name].append(time.perf_counter() - start_s)
    return {name: statistics.median(each) for name, each in times.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    models = {dtype: WinClip.load(dtype=dtype) for dtype in ("float32", "bfloat16")}
    contenders: dict[str, Contender] = {
        f"packed, {dtype}": model.features for dtype, model in models.items()
    }
    tower = models["float32"]._tower
    contenders["one window at a time, float32"] = one_window_at_a_time(tower)
    pixels = torch.rand(1, 3, *tower.image_px, generator=torch.Generator().manual_seed(0))
    medians = median_s(contenders, pixels, options.rounds)
    slowest = max(medians.values())
    figures = {
        name: {"median_ms": 1e3 * seconds, "ratio": slowest / seconds}
        for name, seconds in medians.items()
    }
    if options.json:
        print(json.dumps({"machine": machine(), "flawline-mini": figures}, indent=2))
        return
    for key, value in machine().items():
        print(f"{key:24} {value}")
    print("\nflawline-mini, one frame, image tower")
    for name, figure in figures.items():
        print(f"{name:32} {figure['median_ms']:8.1f} ms   {figure['ratio']:5.1f}x")


if __name__ == "__main__":
    main()
