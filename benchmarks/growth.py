"""How the cost of a frame grows with lines, tiles and references."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import torch

from benchmarks.contestants import OBJECT, load, pictures
from benchmarks.timing import Contender, medians_s
from contract.clock import SystemClock
from contract.codec import Frame
from contract.config import CacheSettings, Line
from contract.image import Pixels
from contract.messages import FrameMessage
from scorer import ReferenceMemory, WinClip
from scorer.scoring.memory import Bank
from scorer.serving.batch import BatchScorer
from scorer.serving.cost import Cost
from scorer.serving.engine import Engine
from scorer.serving.lines import LineState, MemoryInUse
from scorer.serving.scheduler import Scheduler
from scorer.serving.verdicts import Thresholds

LINES = (1, 2, 4, 8)
SIZES = {1: 1.0, 4: 26 / 15, 9: 2.0}
REFERENCES = (1, 4, 16, 64, 1000)
FRAMES = 8
CACHE_OFF = CacheSettings.model_validate({"mode": "off"})


def lines(name: str, weights: Path | None, *, dtype: str, rounds: int) -> dict[str, Any]:
    """Seconds for eight frames, from one camera or from as many lines, each with 4 references."""
    model = load(name, weights, dtype=dtype)
    images = pictures(FRAMES + 4, model.backbone.image_px[0])
    memories = [model.enroll(images[-4:]) for _ in range(max(LINES))]
    contenders: dict[str, Contender] = {
        str(count): partial(_work_off, *_station(model, memories[:count]), images[:FRAMES])
        for count in LINES
    }
    medians = medians_s(contenders, rounds)
    return {
        f"seconds for {FRAMES} frames": medians,
        "over one line": {count: took / medians["1"] for count, took in medians.items()},
    }


def tiles(name: str, weights: Path | None, *, dtype: str, rounds: int) -> dict[str, Any]:
    """Seconds a crop of 1, 4 and 9 tiles."""
    model = load(name, weights, dtype=dtype)
    text = model.text_prototypes(OBJECT)
    contenders: dict[str, Contender] = {}
    for count, factor in SIZES.items():
        size_px = (
            round(factor * model.backbone.image_px[0] / model.backbone.patch_px)
            * model.backbone.patch_px
        )
        tiling = model.backbone.tiling(size_px, overlap_px=64)
        memory = model.enroll(pictures(4, size_px), tiling=tiling)
        crop = pictures(5, size_px)[4:]
        if tiling.num_tiles != count:
            raise RuntimeError(f"{size_px} px are {tiling.num_tiles} tiles, not {count}")
        contenders[str(count)] = partial(
            _score, model, crop, text=text, memory=memory, tiling=tiling
        )
    medians = medians_s(contenders, rounds)
    return {
        "seconds a crop": medians,
        "per tile, over one tile": {
            count: took / int(count) / medians["1"] for count, took in medians.items()
        },
    }


def references(
    name: str,
    weights: Path | None,
    *,
    dtype: str,
    rounds: int,
    counts: Sequence[int] = REFERENCES,
) -> dict[str, Any]:
    """Seconds a frame, and of these for the comparison, with so many references."""
    model = load(name, weights, dtype=dtype)
    [image] = pictures(1, model.backbone.image_px[0])
    pixels = model.backbone.preprocess([image])
    features = model.backbone.features(pixels)
    contenders: dict[str, Contender] = {"features": partial(_look, model, pixels)}
    for count in counts:
        memory = random_memory(model, count)
        contenders[str(count)] = partial(_compare, model, features, memory)
    medians = medians_s(contenders, rounds)
    compare = {str(count): medians[str(count)] for count in counts}
    return {
        "seconds to compare": compare,
        "share of a frame": {
            count: took / (took + medians["features"]) for count, took in compare.items()
        },
    }


def random_memory(model: WinClip, count: int) -> ReferenceMemory:
    """A memory of `count` references that were never seen: what is compared does not matter."""
    tower, generator = model.backbone.tower, torch.Generator().manual_seed(0)

    def vectors(rows: int, width: int) -> torch.Tensor:
        found = torch.randn(rows, width, generator=generator)
        return torch.nn.functional.normalize(found, dim=-1).to(model.backbone.like)

    bank = Bank(
        vectors(count * tower.grid[0] * tower.grid[1], tower.width),
        tuple(vectors(count * len(each), tower.embed_dim) for each in tower.window_patches),
    )
    return ReferenceMemory((bank,), count, model.fingerprint)


def _score(model: WinClip, crop: list[Pixels], **against: Any) -> None:
    model.score(crop, **against)


def _look(model: WinClip, pixels: torch.Tensor) -> None:
    model.backbone.features(pixels)


def _compare(model: WinClip, features: Any, memory: ReferenceMemory) -> None:
    model.score_features(features, memory=memory)


def _station(model: WinClip, memories: list[ReferenceMemory]) -> tuple[Engine, Scheduler, int]:
    states = {}
    for number, memory in enumerate(memories):
        name = f"line-{number}"
        line = Line.model_validate(
            {"name": name, "cameras": [{"name": f"cam-{number}", "source": "/dev/video0"}]}
        )
        judge = MemoryInUse(memory, "v1", Thresholds(0.5))
        text = model.text_prototypes(OBJECT)
        states[name] = LineState(
            line, text, model.backbone.tiling(model.backbone.image_px[0]), judge
        )
    scheduler = Scheduler(
        max_pending=FRAMES,
        max_batch_frames=FRAMES,
        max_batch_tokens=4 * model.backbone.tower.tokens_per_image,
    )
    engine = Engine(
        BatchScorer(model, states, CACHE_OFF),
        states,
        scheduler,
        SystemClock(),
        model=model.fingerprint,
        dtype=model.backbone.dtype,
        cost=Cost(),
    )
    return engine, scheduler, len(memories)


def _work_off(engine: Engine, scheduler: Scheduler, num_lines: int, images: list[Pixels]) -> None:
    turns = islice(cycle(range(num_lines)), len(images))
    for frame_id, (number, image) in enumerate(zip(turns, images, strict=True)):
        engine.submit(frame_of(image, frame_id, number), 0)
    while len(scheduler):
        engine.step()


def frame_of(image: Pixels, frame_id: int, number: int = 0) -> Frame:
    """A frame of camera `number`, without deadline."""
    header = FrameMessage(
        station="bench",
        line=f"line-{number}",
        camera=f"cam-{number}",
        epoch=0,
        frame_id=frame_id,
        captured_ns=0,
        decoded_ns=0,
        height_px=image.shape[0],
        width_px=image.shape[1],
        nbytes=image.nbytes,
    )
    return Frame(header, image)
