"""What a batch may hold is measured, and a device that is too small says so."""

from __future__ import annotations

import pytest
import torch

from contract.errors import ModelError
from scorer import WinClip
from scorer.clip.presets import PRESETS
from scorer.serving import warmup
from scorer.serving.device_memory import free_bytes, peak_bytes
from scorer.serving.warmup import warm_up
from tests.scorer.tiny import tiny_loaded

CPU = torch.device("cpu")
MEGABYTE = 1 << 20


@pytest.fixture
def tiny() -> WinClip:
    return WinClip.of(tiny_loaded(), preset=PRESETS["paper"])


def test_a_batch_holds_what_the_costliest_line_needs(tiny: WinClip) -> None:
    tilings = [tiny.backbone.tiling(64), tiny.backbone.tiling(128)]
    budget = warm_up(tiny.backbone, tilings, max_frames=3)
    assert tilings[1].num_tokens == 4 * tiny.backbone.tower.tokens_per_image
    assert tilings[1].num_tokens <= budget.max_tokens <= 3 * tilings[1].num_tokens
    assert budget.cost.step_ns(tilings[1].num_tokens) > 0


def test_little_memory_makes_small_batches(tiny: WinClip, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warmup, "peak_bytes", lambda device, run: run() or 1000 * MEGABYTE)
    tokens = tiny.backbone.tower.tokens_per_image
    monkeypatch.setattr(warmup, "free_bytes", lambda device: 5000 * MEGABYTE)
    assert warm_up(
        tiny.backbone, [tiny.backbone.tiling(64)], max_frames=64
    ).max_tokens == pytest.approx(2.5 * tokens, abs=1)
    assert tiny.backbone.tower.max_tokens <= 2.5 * tokens
    monkeypatch.setattr(warmup, "free_bytes", lambda device: 1500 * MEGABYTE)
    with pytest.raises(ModelError, match=r"one image needs 1049 MB on cpu.*smaller model"):
        warm_up(tiny.backbone, [tiny.backbone.tiling(64)], max_frames=64)


def test_a_peak_is_seen_though_it_is_gone() -> None:
    def run() -> None:
        torch.ones(64 * MEGABYTE, dtype=torch.uint8).sum()

    assert peak_bytes(CPU, run) >= 48 * MEGABYTE
    assert free_bytes(CPU) > 100 * MEGABYTE
