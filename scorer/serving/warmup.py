"""Warm-up: what frames cost on this machine, in time and in memory, before the first one counts."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from contract.clock import NS_PER_S
from contract.errors import ModelError
from scorer.serving.cost import Cost
from scorer.serving.device_memory import free_bytes, peak_bytes
from scorer.windows.backbone import Backbone, Crop
from scorer.windows.tiling import Tiling

MAX_STEP_S = 0.5
SLOW_FRAME_S = 1.5
SHARE_OF_FREE_MEMORY = 0.5
ROUNDS = 2

log = logging.getLogger(__name__)


class Budget(NamedTuple):
    """What the scheduler may hand out at once, and what it takes.

    Attributes:
        max_tokens: per batch, so that a step stays under half a second and fits the memory.
        cost: time of a step.
    """

    max_tokens: int
    cost: Cost


def warm_up(backbone: Backbone, tilings: Sequence[Tiling], *, max_frames: int) -> Budget:
    """Measure steps of one frame and of several, and set the tower's own limit by it.

    A step of more than half a second would let the heartbeat and the deadlines of waiting frames
    slip; a batch that takes more than half of the free memory could end the process.

    Args:
        tilings: of all lines; the costliest is measured.
        max_frames: frames per batch.
    """
    tower = backbone.tower
    tower.rehearse()
    tiling = max(tilings, key=lambda each: each.num_tokens)
    one = _measure(backbone, tiling, 1)
    many = one if max_frames == 1 else _measure(backbone, tiling, 2)
    cost = Cost.fit((one.tokens, one.took_ns), (many.tokens, many.took_ns))
    # Memory that the process held already does not show in a peak.
    token_bytes = max(
        one.peak_bytes / one.tokens,
        many.peak_bytes / many.tokens,
        tower.bytes_per_token,
    )
    by_memory = int(SHARE_OF_FREE_MEMORY * free_bytes(backbone.device) / token_bytes)
    by_time = int((MAX_STEP_S * NS_PER_S - cost.batch_ns) / max(cost.token_ns, 1e-9))
    if by_memory < tower.tokens_per_image:
        raise ModelError(
            f"one image needs {token_bytes * tower.tokens_per_image / 1e6:.0f} MB on "
            f"{backbone.device}, which has not twice as much free",
            "free memory, or use a smaller model",
        )
    tower.max_tokens = min(tower.max_tokens, by_memory)
    max_tokens = max(tiling.num_tokens, min(by_time, by_memory, max_frames * tiling.num_tokens))
    frame_s = cost.step_ns(tiling.num_tokens) / NS_PER_S
    if frame_s > SLOW_FRAME_S:
        log.warning(
            "one frame takes %.1f s here: the PLC heartbeat stops meanwhile unless silence_s is "
            "longer; use a GPU, a smaller model or fewer tiles",
            frame_s,
        )
    log.info(
        "%.0f ms a frame in %s, batches of up to %d tokens",
        frame_s * 1e3,
        backbone.dtype,
        max_tokens,
    )
    return Budget(max_tokens, cost)


class _Step(NamedTuple):
    tokens: int
    took_ns: float
    peak_bytes: int


def _measure(backbone: Backbone, tiling: Tiling, frames: int) -> _Step:
    blank = np.zeros((tiling.size_px, tiling.size_px, 3), dtype=np.uint8)
    crops = [Crop(blank, tiling, "warm-up")] * frames
    took_s = []

    def run() -> None:
        start_s = time.perf_counter()
        backbone.look(crops)
        if backbone.device.type == "cuda":
            torch.cuda.synchronize(backbone.device)
        took_s.append(time.perf_counter() - start_s)

    peak = peak_bytes(backbone.device, run)
    for _ in range(ROUNDS - 1):
        run()
    return _Step(frames * tiling.num_tokens, min(took_s) * NS_PER_S, peak)
