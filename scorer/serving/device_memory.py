"""Memory of the device that scores: what is free, and what a piece of work takes at its peak."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import torch

_STATUS = Path("/proc/self/status")
_RESET_PEAK = Path("/proc/self/clear_refs")
_MEMINFO = Path("/proc/meminfo")
_CGROUP = Path("/sys/fs/cgroup")
_KILOBYTE = 1024


def free_bytes(device: torch.device) -> int:
    """Bytes that may still be taken on `device`; on a CPU also within the container's limit."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    free = _field(_MEMINFO, "MemAvailable")
    try:
        limit = (_CGROUP / "memory.max").read_text().strip()
        used = int((_CGROUP / "memory.current").read_text())
    except OSError:
        return free
    return free if limit == "max" else max(0, min(free, int(limit) - used))


def peak_bytes(device: torch.device, run: Callable[[], None]) -> int:
    """How many bytes more than before `run` takes at its peak."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        run()
        return torch.cuda.max_memory_allocated(device) - before
    before = _field(_STATUS, "VmRSS")
    # Not allowed in some containers: the peak since the start is then an upper bound.
    with suppress(OSError):
        _RESET_PEAK.write_text("5")
    run()
    return max(0, _field(_STATUS, "VmHWM") - before)


def _field(path: Path, name: str) -> int:
    """A field of a /proc file, in bytes."""
    for line in path.read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * _KILOBYTE
    raise OSError(f"{path} has no {name}")
