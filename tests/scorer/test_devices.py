"""The same scores on other devices and in other types."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scorer import ReferenceMemory, WinClip
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
