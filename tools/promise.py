"""How well the promise of a calibration holds: many random splits of good pictures.

    python -m tools.promise --out promise.png                              # rendered parts
    python -m tools.promise --references DIR --pictures DIR --out promise.png

Each split calibrates the FAIL threshold on one half and counts the false rejects in the other.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from contract.errors import ConfigError
from contract.image import Pixels, list_images, read_image
from scorer import WinClip
from scorer.references.conformal import promise
from tools.demo_belt import FRAMES_PER_PART, Camera, draw_strip, plan_parts
from tools.demo_clip import ASSETS, REGION

RATES = (0.02, 0.05, 0.1, 0.2)
SPLITS = 100
COLOURS = {"promised": "#d1343a", "95 % bound": "#d08a18", "observed": "#1f6fb4"}
SEED = 99
PARTS_PER_STRIP = 12


def rendered(count: int) -> Iterator[Pixels]:
    """Good parts of the demo's product, one picture each, at any place in the tiling."""
    random = np.random.default_rng(SEED)
    x, y, width, height = REGION.values()
    for strip in range(-(-count // (PARTS_PER_STRIP - 2))):
        parts = plan_parts(SEED + strip, [None] * PARTS_PER_STRIP)
        camera = Camera(draw_strip(parts, SEED + strip), SEED + strip)
        for part in parts[1:-1]:
            centres = part.centres_px(PARTS_PER_STRIP * FRAMES_PER_PART)
            inside = np.flatnonzero((centres > x) & (centres < x + width))
            frame = camera.frame(int(random.choice(inside)))
            yield np.ascontiguousarray(frame[y : y + height, x : x + width])


def observed(scores: np.ndarray[tuple[int], np.dtype[np.float64]], rate: float) -> list[float]:
    """False-reject rates in the halves that were not calibrated on."""
    random, found = np.random.default_rng(SEED), []
    for _ in range(SPLITS):
        order = random.permutation(len(scores))
        half = len(scores) // 2
        threshold = promise(scores[order[:half]].tolist(), rate).threshold
        found.append(float(np.mean(scores[order[half:]] >= threshold)))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--references", type=Path, default=ASSETS / "references")
    parser.add_argument("--pictures", type=Path, nargs="*", help="folders; default: rendered")
    parser.add_argument("--count", type=int, default=300, help="of rendered pictures")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    model = WinClip.load(dtype="auto")
    memory = model.enroll([read_image(path) for path in list_images(args.references)])
    pictures = (
        (read_image(path) for folder in args.pictures for path in list_images(folder))
        if args.pictures
        else rendered(args.count)
    )
    scores = np.array([float(model.score([p], memory=memory).anomaly_score) for p in pictures])
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.add_subplot()
    half = len(scores) // 2
    for place, rate in enumerate(RATES):
        try:
            bound = promise(scores[:half].tolist(), rate).bound
        except ConfigError as error:
            print(error)
            continue
        rates = observed(scores, rate)
        broken = np.mean([each > bound for each in rates])
        print(
            f"{len(scores)} pictures, promised {rate:.3f}: observed {np.mean(rates):.4f} on "
            f"average, at most {max(rates):.4f}; above the 95 % bound {bound:.3f} in {broken:.0%} "
            f"of halves of {len(scores) - half} pictures, whose own chance is in it"
        )
        spread = np.random.default_rng(0).uniform(-0.25, 0.25, len(rates))
        axes.scatter(place + spread, rates, s=8, alpha=0.4, color="#66707a")
        lines = ((rate, "promised"), (bound, "95 % bound"), (float(np.mean(rates)), "observed"))
        for level, name in lines:
            axes.hlines(
                level,
                place - 0.4,
                place + 0.4,
                COLOURS[name],
                label=name if place == len(RATES) - 1 else "",
            )
    axes.set_xticks(range(len(RATES)), [f"{rate:g}" for rate in RATES])
    axes.set_xlabel("promised false-reject rate")
    axes.set_ylabel(f"observed in {SPLITS} random halves")
    axes.legend()
    figure.savefig(args.out, dpi=110)


if __name__ == "__main__":
    main()
