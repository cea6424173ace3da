"""The same scores on other devices and in other types."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch

import flawline
from contract.image import Pixels, list_images, read_image
from scorer import ReferenceMemory, WinClip
from scorer.windows.backbone import Crop
from scorer.windows.precision import PRECISION
from tests.scorer.pictures import part, picture

# Of maps and of words too, which PRECISION does not speak of.
COARSE = {"bfloat16": 0.005, "float16": 0.0005}


@pytest.mark.gpu
@pytest.mark.parametrize(
    ("dtype", "compiler", "error"),
    [
        ("float32", None, 1e-3),
        ("bfloat16", None, COARSE["bfloat16"]),
        ("float16", None, COARSE["float16"]),
        ("bfloat16", "inductor", COARSE["bfloat16"]),
    ],
)
def test_gpu_scores_equal_cpu_scores(
    cuda: str,
    mini: WinClip,
    memory: ReferenceMemory,
    dtype: str,
    compiler: str | None,
    error: float,
) -> None:
    images = np.stack([part(2), picture(3)])
    gpu = WinClip.load(device=cuda, dtype=dtype, compiler=compiler)
    expected = mini.score(images, text=mini.text_prototypes("object"), memory=memory)
    found = gpu.score(images, text=gpu.text_prototypes("object"), memory=gpu.adopt(memory))
    for mine, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(mine.cpu(), theirs, rtol=0, atol=error)


@pytest.mark.gpu
def test_a_gpu_stream_with_the_cache_is_seen_as_without(cuda: str) -> None:
    """Not to the bit, which only the CPU's packed products promise."""
    gpu = WinClip.load(device=cuda)
    cache = gpu.backbone.window_cache(tolerance=0, capacity=1)
    for seed in (2, 2, 3):
        [seen] = gpu.backbone.look([Crop(part(seed), gpu.backbone.whole, "top")], cache)
        alone = gpu.backbone.features(gpu.backbone.preprocess([part(seed)]))
        torch.testing.assert_close(seen.features.image, alone.image, rtol=0, atol=1e-4)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_on_a_cpu_stays_near_float32(mini: WinClip, dtype: str) -> None:
    """Coarse: the promise is that the type is honoured and nothing breaks."""
    fast = WinClip.load(dtype=dtype)
    images = np.stack([part(2), picture(3)])
    reference = [part(1)]
    text = mini.text_prototypes("object")
    expected = mini.score(images, text=text, memory=mini.enroll(reference))
    memory = fast.enroll(reference)
    assert memory.banks[0].patches.dtype == getattr(torch, dtype)
    found = fast.score(images, text=text, memory=memory)
    assert found.anomaly_score.dtype == torch.float32
    for mine, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=0.05)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_a_picture_that_is_its_own_reference_scores_next_to_nothing(dtype: str) -> None:
    """Alone and in a batch of others, whose products have other shapes and so other rounding."""
    model = WinClip.load(dtype=dtype)
    memory = model.enroll([part(1)])
    alone = model.score([part(1)], memory=memory).anomaly_score
    batch = model.score([picture(3), part(1), part(2)], memory=memory).anomaly_score
    assert float(alone) <= PRECISION["float32"]
    assert float(batch[1]) <= PRECISION[dtype] < float(batch[0])


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_ranks_the_pictures_of_the_demo_as_float32_does(
    mini: WinClip, dtype: str
) -> None:
    """Good and damaged parts; the error that the documentation states."""
    demo = Path(flawline.__file__).parent / "assets" / "demo"
    references = [read_image(path) for path in list_images(demo / "references")[:2]]
    pictures = [read_image(path) for path in list_images(demo / "normal")[:6]]
    for seed, image in enumerate(list(pictures[:4])):
        damaged = image.copy()
        top, left = 60 + 5 * seed, 80
        damaged[top : top + 24, left : left + 24] = 255 - damaged[top : top + 24, left : left + 24]
        pictures.append(damaged)
    error, correlation = _compared(mini, dtype, references, pictures)
    assert error < PRECISION[dtype]
    assert correlation > 0.99


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("category", ["magnetic_tile", "metal_plate", "cookie"])
def test_half_precision_ranks_real_pictures_as_float32_does(
    mini: WinClip, dtype: str, category: str
) -> None:
    home = os.environ.get("FLAWLINE_EVAL_DIRECTORY")
    if home is None:
        pytest.skip("FLAWLINE_EVAL_DIRECTORY names no folder of real pictures in MVTec-AD layout")
    root = Path(home) / category
    references = [read_image(path) for path in list_images(root / "train" / "good")[:4]]
    folders = sorted(path for path in (root / "test").iterdir() if path.is_dir())
    pictures = [read_image(path) for folder in folders for path in list_images(folder)[:12]]
    error, correlation = _compared(mini, dtype, references, pictures)
    print(f"{category} {dtype}: difference {error:.5f}, rank correlation {correlation:.5f}")
    assert error < PRECISION[dtype]
    assert correlation > 0.99


def _compared(
    mini: WinClip, dtype: str, references: list[Pixels], pictures: list[Pixels]
) -> tuple[float, float]:
    """Largest difference of scores from float32's, and Spearman's rank correlation."""
    scores = []
    for model in (mini, WinClip.load(dtype=dtype)):
        memory = model.enroll(references)
        scores.append(model.score(pictures, memory=memory).anomaly_score)
    error = float((scores[0] - scores[1]).abs().max())
    ranks = torch.stack([each.argsort().argsort().double() for each in scores])
    return error, float(torch.corrcoef(ranks)[0, 1])
