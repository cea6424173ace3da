"""Verify the demo's outputs: decode the clip, measure where its parts are, compare with truth."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tools.demo_belt import FPS, SPEED_PX, Frame
from tools.demo_defects import DEFECTS

MAX_CLIP_BYTES = 2_000_000
NUM_REFERENCES = 4
MIN_FULL_FRAMES = 10
PART_LEVEL = 95
MIN_PART_ROWS = 6
MIN_RUN_PX = 4
TOLERANCE_PX = SPEED_PX + 3.0

Runs: TypeAlias = list[tuple[int, int]]


def part_runs(picture: Frame, top: int, bottom: int) -> Runs:
    """Left and right edge, px, of each part seen in these rows; a cut part ends at the frame."""
    rows = picture[top:bottom]
    solid = (rows[..., 1] > PART_LEVEL).sum(axis=0) >= MIN_PART_ROWS
    edges = np.flatnonzero(np.diff(np.concatenate(([0], solid.astype(np.int8), [0]))))
    pairs = edges.reshape(-1, 2).tolist()
    return [(left, right) for left, right in pairs if right - left >= MIN_RUN_PX]


def _decode(path: Path, region: dict[str, int]) -> tuple[list[Runs], list[int], tuple[int, int]]:
    """Runs of each frame, indices of the key frames, and the frame size."""
    top, bottom = region["y_px"], region["y_px"] + region["height_px"]
    runs, keys, size = [], [], (0, 0)
    with av.open(str(path)) as container:
        container.streams.video[0].thread_count = 1
        for index, frame in enumerate(container.decode(video=0)):
            runs.append(
                part_runs(np.asarray(frame.to_ndarray(format="rgb24"), np.uint8), top, bottom)
            )
            size = (frame.width, frame.height)
            if frame.key_frame:
                keys.append(index)
    return runs, keys, size


def _check_rows(truth: dict[str, Any]) -> list[str]:
    """Rules the truth must keep whatever the pictures show."""
    problems = []
    whole: NDArray[np.int_] = np.zeros(truth["num_frames"], np.int_)
    for part in truth["parts"]:
        first, last = part["first_full_frame"], part["last_full_frame"]
        whole[first : last + 1] += 1
        if not part["first_visible_frame"] <= first <= last <= part["last_visible_frame"]:
            problems.append(f"part {part['part_id']}: frames out of order")
        if last - first + 1 < MIN_FULL_FRAMES:
            problems.append(f"part {part['part_id']}: whole for {last - first + 1} frames")
        if part["defect"] not in (None, *DEFECTS):
            problems.append(f"part {part['part_id']}: unknown defect {part['defect']}")
        if (part["defect"] is None) != (part["defect_visible_first_frame"] is None):
            problems.append(f"part {part['part_id']}: defect and its frames disagree")
    if whole.max() > 1:
        problems.append(f"frame {int(whole.argmax())}: two whole parts")
    return problems


def _nearest(runs: Runs, side: int, line_px: float) -> float:
    """Distance from a line to the nearest left (0) or right (1) edge of a part."""
    return min((abs(run[side] - line_px) for run in runs), default=np.inf)


def _check_pictures(truth: dict[str, Any], runs: list[Runs]) -> list[str]:
    """At each frame named in the truth an edge of a part is at the region's edge."""
    left = truth["region"]["x_px"]
    right = left + truth["region"]["width_px"]
    crossings: list[tuple[str, int, int]] = [
        ("first_visible_frame", 1, left),
        ("first_full_frame", 0, left),
        ("last_full_frame", 1, right),
        ("last_visible_frame", 0, right),
    ]
    problems = []
    for part in truth["parts"]:
        for name, side, line in crossings:
            frame = part[name]
            if frame in (0, truth["num_frames"] - 1):
                continue
            if (miss := _nearest(runs[frame], side, line)) > TOLERANCE_PX:
                problems.append(f"part {part['part_id']} {name} {frame}: edge {miss:.0f} px off")
    whole = [sum(left <= a and b <= right and b - a > 200 for a, b in row) for row in runs]
    expected = np.zeros(len(runs), np.int_)
    for part in truth["parts"]:
        expected[part["first_full_frame"] : part["last_full_frame"] + 1] += 1
    wrong = np.flatnonzero(np.array(whole) != expected)
    edges = {
        part[name] + d for part in truth["parts"] for name, _, _ in crossings for d in (-1, 0, 1)
    }
    problems += [f"frame {i}: {whole[i]} whole parts" for i in wrong.tolist() if i not in edges]
    return problems


def check(folder: Path, expected: dict[str, Any]) -> list[str]:
    """Everything wrong with the outputs in a folder; empty when they are right."""
    truth = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    clip = folder / truth["clip"]
    runs, keys, size = _decode(clip, truth["region"])
    facts: list[tuple[str, Callable[[], bool]]] = [
        ("truth.json is not what this seed gives", lambda: truth == expected),
        (f"{len(runs)} frames decoded", lambda: len(runs) == truth["num_frames"]),
        (f"frames are {size}", lambda: size == (truth["width_px"], truth["height_px"])),
        ("key frames are not each second", lambda: keys == list(range(0, len(runs), FPS))),
        (f"clip has {clip.stat().st_size} bytes", lambda: clip.stat().st_size <= MAX_CLIP_BYTES),
    ]
    problems = [message for message, holds in facts if not holds()]
    region = (truth["region"]["width_px"], truth["region"]["height_px"])
    for number in range(NUM_REFERENCES):
        with Image.open(folder / "references" / f"{number}.png") as picture:
            if picture.size != region:
                problems.append(f"reference {number} is {picture.size}, the region is {region}")
    problems += _check_rows(truth)
    if len(runs) == truth["num_frames"]:
        problems += _check_pictures(truth, runs)
    return problems
