"""What a figure was measured on."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path

import torch

from scorer.windows.precision import has_bfloat16


def machine() -> dict[str, str]:
    """Processor, cores, memory and versions of this machine."""
    return {
        "processor": _from_proc("/proc/cpuinfo", "model name") or platform.processor(),
        "cores": str(os.cpu_count()),
        "torch threads": str(torch.get_num_threads()),
        "memory": _from_proc("/proc/meminfo", "MemTotal"),
        "bfloat16 instructions": "yes" if has_bfloat16("cpu") else "no",
        "python": platform.python_version(),
        "torch": version("torch"),
        "open_clip": version("open_clip_torch"),
    }


def _from_proc(path: str, key: str) -> str:
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return ""
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(key)), "")
