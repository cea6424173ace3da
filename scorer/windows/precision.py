"""Compute types: what they are called, and which one suits a device."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import torch

from contract.errors import ModelError

AUTO: Final = "auto"
DTYPES: Final[Mapping[str, torch.dtype]] = MappingProxyType(
    {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
)

# Largest difference of a score by references from the formula in exact numbers. Float32: what the
# tests hold against the oracle. The others: half as much again as the largest that was measured
# (.00101 and .00013: flawline-mini against float32, 4 references and 124 real pictures of 3
# products, tests/scorer/scoring/test_devices.py), because other pictures may exceed a sample's.
PRECISION: Final[Mapping[str, float]] = MappingProxyType(
    {"float32": 1e-5, "bfloat16": 0.0015, "float16": 0.0002}
)

log = logging.getLogger(__name__)


def compute_dtype(name: str, device: str) -> torch.dtype:
    """The type called `name`; `auto` is bfloat16 where `device` has instructions for it.

    Without them a processor emulates bfloat16, several times slower than float32.

    Raises:
        ModelError: unknown name.
    """
    if name == AUTO:
        return torch.bfloat16 if has_bfloat16(device) else torch.float32
    if name not in DTYPES:
        raise ModelError(f"unknown dtype {name!r}", f"one of {', '.join((AUTO, *DTYPES))}")
    if name == "bfloat16" and not has_bfloat16(device):
        log.warning(
            "device %s has no bfloat16 instructions and emulates them slowly; set dtype to auto",
            device,
        )
    return DTYPES[name]


def compute_dtype_name(name: str, device: str) -> str:
    """As `compute_dtype`, as the configuration writes it.

    Raises:
        ModelError: unknown name.
    """
    return str(compute_dtype(name, device)).removeprefix("torch.")


def has_bfloat16(device: str) -> bool:
    """Whether `device` (as torch names it) multiplies bfloat16 matrices in hardware."""
    if device.startswith("cuda"):
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
