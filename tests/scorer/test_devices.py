"""The same scores on other devices and in other types."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch

import flawline
from contract.image import list_images, read_image
from scorer import ReferenceMemory, WinClip
from scorer.pixels import Picture
from tests.scorer.pictures import part, picture


@pytest.mark.gpu
def test_gpu_scores_equal_cpu_scores(cuda: str, mini: WinClip, memory: ReferenceMemory) -> None:
    images = np.stack([part(2), picture(3)])
    gpu = WinClip.load(device=cuda)
    expected = mini.score(images, text=mini.text_prototypes("object"), memory=memory)
    found = gpu.score(images, text=gpu.text_prototypes("object"), memory=gpu.adopt(memory))
    for mine, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(mine.cpu(), theirs, rtol=0, atol=1e-3)


def test_bfloat16_on_a_cpu_stays_near_float32(mini: WinClip) -> None:
    """Coarse: the promise is that the type is honoured and nothing breaks."""
    fast = WinClip.load(dtype="bfloat16")
    images = np.stack([part(2), picture(3)])
    reference = [part(1)]
    text = mini.text_prototypes("object")
    expected = mini.score(images, text=text, memory=mini.enroll(reference))
    memory = fast.enroll(reference)
    assert memory.banks[0].patches.dtype == torch.bfloat16
    found = fast.score(images, text=text, memory=memory)
    assert found.anomaly_score.dtype == torch.float32
    for mine, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=0.05)


def test_bfloat16_ranks_the_pictures_of_the_demo_as_float32_does(mini: WinClip) -> None:
    """Good and damaged parts; the error that the documentation states."""
    demo = Path(flawline.__file__).parent / "assets" / "demo"
    references = [read_image(path) for path in list_images(demo / "references")]
    pictures = [read_image(path) for path in list_images(demo / "normal")]
    for seed, image in enumerate(list(pictures[:12])):
        damaged = image.copy()
        top, left = 60 + 5 * seed, 80
        damaged[top : top + 24, left : left + 24] = 255 - damaged[top : top + 24, left : left + 24]
        pictures.append(damaged)
    error, correlation = _compared(mini, references, pictures)
    assert error < 0.005
    assert correlation > 0.99


@pytest.mark.parametrize("category", ["magnetic_tile", "metal_plate", "cookie"])
def test_bfloat16_ranks_real_pictures_as_float32_does(mini: WinClip, category: str) -> None:
    home = os.environ.get("FLAWLINE_EVAL_DIRECTORY")
    if home is None:
        pytest.skip("FLAWLINE_EVAL_DIRECTORY names no folder of real pictures in MVTec-AD layout")
    root = Path(home) / category
    references = [read_image(path) for path in list_images(root / "train" / "good")[:4]]
    folders = sorted(path for path in (root / "test").iterdir() if path.is_dir())
    pictures = [read_image(path) for folder in folders for path in list_images(folder)[:12]]
    error, correlation = _compared(mini, references, pictures)
    assert error < 0.01
    assert correlation > 0.99


def _compared(
    mini: WinClip, references: list[Picture], pictures: list[Picture]
) -> tuple[float, float]:
    """Largest difference of scores between the types, and Spearman's rank correlation."""
    scores = []
    for model in (mini, WinClip.load(dtype="bfloat16")):
        memory = model.enroll(references)
        scores.append(model.score(pictures, memory=memory).anomaly_score)
    error = float((scores[0] - scores[1]).abs().max())
    ranks = torch.stack([each.argsort().argsort().double() for each in scores])
    return error, float(torch.corrcoef(ranks)[0, 1])
