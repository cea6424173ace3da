"""The compute type: what was asked for, or what the device is made for."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch

from contract.errors import ModelError
from scorer import WinClip
from scorer.windows.precision import compute_dtype, has_bfloat16


@pytest.mark.parametrize(("instructions", "dtype"), [(True, "bfloat16"), (False, "float32")])
def test_auto_is_what_the_processor_has_instructions_for(
    monkeypatch: pytest.MonkeyPatch, instructions: bool, dtype: str
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: instructions)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    model = WinClip.load(dtype="auto")
    assert model.backbone.dtype == dtype
    assert model.backbone.features(torch.zeros(1, 3, 240, 240)).image.dtype == getattr(torch, dtype)


def test_the_processor_is_asked_as_the_system_describes_it() -> None:
    flags = set(Path("/proc/cpuinfo").read_text().split())
    assert has_bfloat16("cpu") == bool(flags & {"avx512_bf16", "amx_bf16", "amx_tile"})


def test_emulated_bfloat16_is_done_but_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("scorer.windows.precision.has_bfloat16", lambda device: False)
    with caplog.at_level(logging.WARNING):
        assert compute_dtype("bfloat16", "cpu") is torch.bfloat16
    assert "no bfloat16 instructions" in caplog.text
    assert "auto" in caplog.text


def test_a_name_that_is_no_type() -> None:
    with pytest.raises(ModelError, match=r"unknown dtype 'half'.*auto, float32"):
        compute_dtype("half", "cpu")
