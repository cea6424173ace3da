"""Render the bundled demo clip, its truth and its pictures of good parts.

    python -m tools.demo_clip            # render into flawline/assets/demo
    python -m tools.demo_clip --check    # decode what is there and verify it

The clip is what a fixed camera above a conveyor sees and joins up with itself when played in a
loop. The same seed gives the same pictures.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image

from tools.demo_belt import (
    FPS,
    FRAMES_PER_PART,
    HEIGHT_PX,
    WIDTH_PX,
    Camera,
    Frame,
    Part,
    draw_strip,
    draw_surface,
    plan_parts,
)
from tools.demo_check import check
from tools.demo_defects import DEFECTS
from tools.demo_parts import OUTER_PX

ASSETS = Path(__file__).resolve().parent.parent / "flawline" / "assets" / "demo"
SEED = 2716
NUM_PARTS = 36
PARTS_PER_DEFECT = 2
FIRST_GOOD_PARTS = 4
REGION = {"x_px": 140, "y_px": 60, "width_px": 360, "height_px": 360}
ENCODER = {"crf": "27", "preset": "slow", "threads": "1", "sc_threshold": "0"}
REFERENCE_SEED_OFFSET = 1000
REFERENCE_CENTRES_PX = (320.0, 270.0, 370.0, 450.0)
NUM_NORMAL = 60
REFERENCE_PARTS = 6 + NUM_NORMAL


def plan_clip(seed: int) -> list[Part]:
    """The clip's parts: the first four and the last are good, the defects are in random order.

    The last part is good because the loop shows its tail in the first frames.
    """
    rng = np.random.default_rng([seed, 0])
    defects: list[str | None] = [None] * NUM_PARTS
    places = rng.permutation(np.arange(FIRST_GOOD_PARTS, NUM_PARTS - 1))
    for place, kind in zip(places, sorted(DEFECTS) * PARTS_PER_DEFECT, strict=False):
        defects[place] = kind
    return plan_parts(seed, defects)


def _span(seen: np.ndarray[Any, np.dtype[np.bool_]]) -> tuple[int, int] | None:
    """First and last true index."""
    frames = np.flatnonzero(seen)
    return (int(frames[0]), int(frames[-1])) if len(frames) else None


def _visible(part: Part, num_frames: int, shift_px: float = 0.0) -> tuple[int, int] | None:
    """First and last frame with any of the part inside the region."""
    centre = part.centres_px(num_frames) + shift_px
    left, right = REGION["x_px"], REGION["x_px"] + REGION["width_px"]
    return _span((centre + OUTER_PX > left) & (centre - OUTER_PX < right))


def _part_truth(part: Part, num_frames: int) -> dict[str, Any]:
    """One row of the truth file."""
    centre = part.centres_px(num_frames)
    left, right = REGION["x_px"], REGION["x_px"] + REGION["width_px"]
    visible = _visible(part, num_frames)
    full = _span((centre - OUTER_PX >= left) & (centre + OUTER_PX <= right))
    assert visible and full, f"part {part.part_id} is never whole inside the region"
    shown: tuple[int, int] | tuple[None, None] = (None, None)
    _, box = draw_surface(part)
    if box:
        inside = np.minimum(centre + box[2], right) - np.maximum(centre + box[0], left)
        shown = _span(inside >= (box[2] - box[0]) / 2) or shown
    return {
        "part_id": part.part_id,
        "defect": part.defect,
        "first_visible_frame": visible[0],
        "last_visible_frame": visible[1],
        "first_full_frame": full[0],
        "last_full_frame": full[1],
        "defect_visible_first_frame": shown[0],
        "defect_visible_last_frame": shown[1],
    }


def make_truth(seed: int) -> dict[str, Any]:
    """What is in the clip. ``cut_parts`` are good parts the clip's start or end cuts off:
    the last part's tail in the first frames and the first part's nose in the last ones."""
    parts = plan_clip(seed)
    num_frames = NUM_PARTS * FRAMES_PER_PART
    length = parts[0].centre_x_px - parts[-1].centre_x_px
    loop_px = round(length / (NUM_PARTS - 1)) * NUM_PARTS
    tail = _visible(parts[-1], num_frames, loop_px)
    nose = _visible(parts[0], num_frames, -loop_px)
    return {
        "clip": "clip.mp4",
        "seed": seed,
        "fps": FPS,
        "num_frames": num_frames,
        "width_px": WIDTH_PX,
        "height_px": HEIGHT_PX,
        "region": REGION,
        "parts": [_part_truth(part, num_frames) for part in parts],
        "cut_parts": [
            {"part_id": part.part_id, "first_visible_frame": span[0], "last_visible_frame": span[1]}
            for part, span in ((parts[-1], tail), (parts[0], nose))
            if span
        ],
    }


def encode(frames: Iterator[Frame], path: Path) -> None:
    """Write frames as H.264 with a key frame each second, on one thread."""
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=FPS, options=ENCODER)
        stream.width, stream.height, stream.pix_fmt = WIDTH_PX, HEIGHT_PX, "yuv420p"
        stream.codec_context.gop_size = FPS
        stream.codec_context.time_base = Fraction(1, FPS)
        for picture in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))


def _render(parts: list[Part], seed: int, path: Path) -> None:
    camera = Camera(draw_strip(parts, seed), seed)
    encode((camera.frame(index) for index in range(len(parts) * FRAMES_PER_PART)), path)


def _write_good_pictures(seed: int, folder: Path) -> None:
    """Crops of other good parts of the same line, seen by the same camera and encoder.

    `references`: four parts, centred, left, right and leaving, to teach the line with.
    `normal`: a frame of each of 60 other parts, at any place in view, to calibrate it with.
    """
    parts = plan_parts(seed, [None] * REFERENCE_PARTS)
    num_frames = REFERENCE_PARTS * FRAMES_PER_PART
    wanted: dict[int, Path] = {}
    for number, centre_px in enumerate(REFERENCE_CENTRES_PX):
        centres = parts[number + 1].centres_px(num_frames)
        frame = int(np.argmin(np.abs(centres - centre_px)))
        wanted[frame] = folder / "references" / f"{number}.png"
    rng = np.random.default_rng([seed, 1])
    for number in range(NUM_NORMAL):
        # Parts follow each other by so many frames: any of those shows another place.
        phase = int(rng.integers(FRAMES_PER_PART))
        frame = (number + REFERENCE_PARTS - NUM_NORMAL) * FRAMES_PER_PART + phase
        wanted[frame] = folder / "normal" / f"{number:02}.jpg"
    clip = folder / "good.mp4"
    _render(parts, seed, clip)
    x, y, width, height = REGION.values()
    with av.open(str(clip)) as container:
        for index, picture in enumerate(container.decode(video=0)):
            if index in wanted:
                wanted[index].parent.mkdir(exist_ok=True)
                crop = picture.to_ndarray(format="rgb24")[y : y + height, x : x + width]
                Image.fromarray(crop).save(wanted[index], optimize=True, quality=90)
    clip.unlink()


def render(seed: int, folder: Path) -> None:
    """Write the clip, its truth and the pictures of good parts."""
    folder.mkdir(parents=True, exist_ok=True)
    _render(plan_clip(seed), seed, folder / "clip.mp4")
    truth = json.dumps(make_truth(seed), indent=1)
    (folder / "truth.json").write_text(truth + "\n", encoding="utf-8")
    _write_good_pictures(seed + REFERENCE_SEED_OFFSET, folder)


def main() -> int:
    parser = argparse.ArgumentParser(description="Render or check the demo clip.")
    parser.add_argument("--seed", type=int, default=SEED, help="default: %(default)s")
    parser.add_argument("--out", type=Path, default=ASSETS, help="folder for the outputs")
    parser.add_argument("--check", action="store_true", help="verify the outputs, render nothing")
    arguments = parser.parse_args()
    if not arguments.check:
        render(arguments.seed, arguments.out)
    problems = check(arguments.out, make_truth(arguments.seed))
    print("\n".join(problems) or f"{arguments.out}: clip, truth and references agree")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
