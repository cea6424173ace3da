"""Fixtures that every folder of tests may need."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import settings

# Workers and the processes of the tests share the cores, and threads of torch that wait for each
# other make a busy machine many times slower. Read when torch is imported, here and in them.
os.environ.setdefault("OMP_NUM_THREADS", "1")

ROOT = Path(__file__).parent

# Left out of `make test-quick`: what starts processes or servers, needs Debian packages, or
# computes long. Files and folders, because what is slow is slow as a whole.
SLOW = (
    "benchmarks",
    "contract/test_process.py",
    "deploy/test_dashboard.py",
    "deploy/test_dockerfile.py",
    "deploy/test_prometheus.py",
    "deploy/test_scrape.py",
    "deploy/test_systemd.py",
    "flawline/commands/test_calibrate.py",
    "flawline/commands/test_evaluate.py",
    "flawline/commands/test_explain.py",
    "flawline/commands/test_memory.py",
    "flawline/commands/test_score.py",
    "flawline/station",
    "ingest/test_rtsp.py",
    "integration",
    "release",
    "scorer/clip/test_models.py",
    "scorer/evaluation",
    "scorer/references/test_enrolment.py",
    "scorer/scoring/test_devices.py",
    "scorer/scoring/test_oracle.py",
    "scorer/serving/test_hostile_messages.py",
    "scorer/serving/test_process.py",
    "scorer/test_libraries.py",
    "scorer/test_openmp.py",
    "scorer/windows",
    "sinks/test_hostile_messages.py",
    "sinks/test_process.py",
    "sinks/test_process_clocks.py",
    "sinks/test_process_doors.py",
    "sinks/test_process_store.py",
    "sinks/test_process_strangers.py",
    "soak/test_soak.py",
    "tools",
)

# Workers take a file at a time: what lasts minutes begins first, so that no worker ends alone.
LONGEST = (
    "soak/test_soak.py",
    "integration/test_faults.py",
    "integration/test_station.py",
    "integration/test_running_station.py",
    "integration/test_demo.py",
    "release/test_wheel.py",
    "benchmarks",
    "scorer/scoring/test_oracle.py",
    "scorer/scoring/test_devices.py",
    "flawline/commands",
)

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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is slow, and put what lasts longest first."""
    for item in items:
        if _stands_in(item, SLOW):
            item.add_marker("slow")
    places = {item: _stands_in(item, LONGEST) for item in items}
    items.sort(key=lambda item: -places[item])


def _stands_in(item: pytest.Item, names: Sequence[str]) -> int:
    """How far from the end of `names` the first stands that holds `item`; 0: none does."""
    path = item.path.relative_to(ROOT)
    found = (place for place, name in enumerate(names) if path.is_relative_to(name))
    return len(names) - next(found, len(names))


@pytest.fixture
def short_directory() -> Iterator[Path]:
    """A private folder with a path short enough for ipc sockets."""
    with tempfile.TemporaryDirectory(prefix="fl-", dir="/tmp") as name:
        yield Path(name)
