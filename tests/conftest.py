"""Fixtures that every folder of tests may need."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("flawline", deadline=None, max_examples=50)
settings.load_profile("flawline")

PROCESSOR_FEATURES = {
    "AVX2": "_is_avx2_supported",
    "AVX512": "_is_avx512_supported",
    "AVX512-BF16": "_is_avx512_bf16_supported",
    "AMX": "_is_amx_tile_supported",
}


def pytest_report_header() -> str:
    """What results may depend on: the processor as torch sees it, threads, and the type of `auto`.

    A failure that comes with another machine then says which one it was.
    """
    try:
        import torch
    except ImportError:
        return "processor: unknown, torch is not installed"
    from scorer.windows.precision import AUTO, compute_dtype

    found = [
        name
        for name, asked in PROCESSOR_FEATURES.items()
        if getattr(torch.cpu, asked, lambda: False)()
    ]
    dtype = str(compute_dtype(AUTO, "cpu")).removeprefix("torch.")
    return (
        f"processor: {', '.join(found) or 'no AVX2'}; {os.cpu_count()} cores, "
        f"{torch.get_num_threads()} torch threads; dtype auto is {dtype}"
    )


@pytest.fixture
def short_directory() -> Iterator[Path]:
    """A private folder with a path short enough for ipc sockets."""
    with tempfile.TemporaryDirectory(prefix="fl-", dir="/tmp") as name:
        yield Path(name)
