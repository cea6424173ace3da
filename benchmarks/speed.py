"""What a frame costs: ours in each type, anomalib, the naive way, the floor, the window cache."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

from benchmarks.contestants import OBJECT, load, pictures
from benchmarks.rival import Anomalib
from benchmarks.timing import Contender, medians_s
from scorer import ReferenceMemory, WinClip
from scorer.windows.linear import Linear
from scorer.windows.precision import has_bfloat16
from scorer.windows.tower import ImageTower

REFERENCES = 4
CHANGED_PATCHES = 5


def speed(
    name: str,
    weights: Path | None,
    scratch: Path,
    *,
    rounds: int,
    anomalib: Path | None = None,
    naive: bool = True,
) -> dict[str, Any]:
    """Seconds a frame, and how near ours is to the others' scores and to the machine's floor.

    One frame at a time, words and four references, the same preprocessed pixels for all. A
    processor without bfloat16 instructions is measured in float32 only.
    """
    dtypes = ("float32", "bfloat16") if has_bfloat16("cpu") else ("float32",)
    models = {dtype: load(name, weights, preset="anomalib", dtype=dtype) for dtype in dtypes}
    side_px = models["float32"].backbone.image_px[0]
    pixels = models["float32"].backbone.preprocess(pictures(REFERENCES + 1, side_px))
    references, image = pixels[:REFERENCES], pixels[REFERENCES:]
    contenders: dict[str, Contender] = {}
    for dtype, model in models.items():
        text = model.text_prototypes(OBJECT)
        memory = model.enroll_pixels(references)
        contenders[dtype] = _scoring(model, image, text, memory)
        contenders |= _cached(model, image, text, memory, dtype)
        contenders[f"{dtype} floor"] = floor(model.backbone.tower, dtype)
    if naive:
        contenders["naive float32"] = naive_pass(models["float32"].backbone.tower, image)
    if anomalib is None or weights is None:
        return _figures(dtypes, medians_s(contenders, rounds))
    file = scratch / "pixels.safetensors"
    save_file({"references": references.contiguous(), "images": image.contiguous()}, file)
    with Anomalib(anomalib, weights=weights, pixels=file, object_name=OBJECT) as rival:
        contenders["anomalib float32"] = lambda: float(rival.score()["took_s"])
        figures = _figures(dtypes, medians_s(contenders, rounds))
        figures["anomalib versions"] = rival.versions
        figures["agreement with anomalib"] = _agreement(models["float32"], pixels, rival.score())
    return figures


def _scoring(model: WinClip, image: Tensor, text: Tensor, memory: ReferenceMemory) -> Contender:
    def run() -> None:
        model.score_pixels(image, text=text, memory=memory)

    return run


def _cached(
    model: WinClip, image: Tensor, text: Tensor, memory: ReferenceMemory, dtype: str
) -> dict[str, Contender]:
    """A frame of a stream that is as the one before, and one with 5 x 5 patches in the middle."""
    cache = model.backbone.window_cache(tolerance=0, capacity=1)
    wanted = model.backbone.tower.everything(1)
    middle = (model.backbone.tower.grid[0] - CHANGED_PATCHES) // 2 * model.backbone.patch_px
    part = slice(middle, middle + CHANGED_PATCHES * model.backbone.patch_px)
    other = image.clone()
    other[:, :, part, part] += 1.0
    turn = [image, other]

    def score(pixels: Tensor) -> None:
        patches = model.backbone.tower.patchify(pixels.to(model.backbone.like))
        features, _ = cache.features(patches, wanted, ["camera"])
        model.score_features(features, text=text, memory=memory)

    def unchanged() -> None:
        score(turn[0])

    def changed() -> None:
        turn.reverse()
        score(turn[0])

    return {f"{dtype} cached, 5x5 changed": changed, f"{dtype} cached, unchanged": unchanged}


def naive_pass(tower: ImageTower, pixels: Tensor) -> Contender:
    """Equation (2) as it is written: one pass of open_clip's transformer per window."""
    visual = tower.visual

    @torch.inference_mode()
    def run() -> None:
        tokens = visual._embeds(pixels)
        visual.transformer(tokens)
        for windows in tower.window_patches:
            for window in F.pad(windows + 1, (1, 0)):
                visual.ln_post(visual.transformer(tokens[:, window]))[:, 0] @ visual.proj

    return run


def floor(tower: ImageTower, dtype: str) -> Contender:
    """The matrix products of one frame's linear layers alone, each in the fastest way there is."""
    kind = getattr(torch, dtype)
    work = [
        (_fastest(torch.randn(rows, inner).to(kind), torch.randn(out, inner).to(kind)), times)
        for rows, inner, out, times in _products(tower)
    ]

    @torch.inference_mode()
    def run() -> None:
        for product, times in work:
            for _ in range(times):
                product()

    return run


@torch.inference_mode()
def _fastest(left: Tensor, weight: Tensor) -> Contender:
    """left @ weight.T by PyTorch with the weights either way round, or packed for oneDNN."""
    turned, packed = weight.T.contiguous(), Linear(weight, None)

    def as_stored() -> None:
        torch.mm(left, weight.T)

    def as_turned() -> None:
        torch.mm(left, turned)

    def as_packed() -> None:
        packed(left)

    ways: dict[str, Contender] = {"stored": as_stored, "turned": as_turned, "packed": as_packed}
    times = medians_s(ways, 3)
    return ways[min(times, key=times.__getitem__)]


def _products(tower: ImageTower) -> list[tuple[int, int, int, int]]:
    """(rows, inner, out, how often) of the pass of one image."""
    width, layers = tower.width, len(tower._blocks)
    tokens = tower.tokens_per_image
    whole = 1 + tower.grid[0] * tower.grid[1]
    kept = whole + sum(len(patches) for patches in tower.window_patches)
    return [
        (whole, width, 3 * width, 1),
        (tokens, width, 3 * width, layers - 2),
        (tokens, width, 2 * width, 1),
        (kept, width, width, 1),
        (tokens, width, width, layers - 1),
        (tokens, width, 4 * width, layers - 1),
        (tokens, 4 * width, width, layers - 1),
        (kept, width, width, 1),
        (kept, width, 4 * width, 1),
        (kept, 4 * width, width, 1),
    ]


def _figures(dtypes: Sequence[str], medians: dict[str, float]) -> dict[str, Any]:
    ratios: dict[str, float] = {}
    for dtype in dtypes:
        ratios[f"{dtype} over its floor"] = medians[dtype] / medians[f"{dtype} floor"]
        for state in ("unchanged", "5x5 changed"):
            cached = medians[f"{dtype} cached, {state}"]
            ratios[f"{dtype}, cached, {state}, frames per second over uncached"] = (
                medians[dtype] / cached
            )
        for other in ("anomalib float32", "naive float32"):
            if other in medians:
                ratios[f"{dtype}, frames per second over {other}"] = medians[other] / medians[dtype]
    return {"seconds a frame": medians, "ratios": ratios}


def _agreement(model: WinClip, pixels: Tensor, theirs: dict[str, Any]) -> dict[str, float]:
    """Largest differences of scores and of maps at the size of the picture."""
    memory = model.enroll_pixels(pixels[:REFERENCES])
    ours = model.score_pixels(
        pixels[REFERENCES:], text=model.text_prototypes(OBJECT), memory=memory
    )
    enlarged = F.interpolate(
        ours.anomaly_map[:, None], size=pixels.shape[-2:], mode="bilinear", align_corners=False
    )[:, 0]
    return {
        "score": float((ours.anomaly_score - torch.tensor(theirs["scores"])).abs().max()),
        "map": float((enlarged - torch.tensor(theirs["maps"])).abs().max()),
    }
