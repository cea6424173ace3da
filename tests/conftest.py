"""Fixtures that every folder of tests may need."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# Workers and the processes of the tests share the cores, and threads of torch that wait for each
# other make a busy machine many times slower. Read when torch is imported, here and in them.
os.environ.setdefault("OMP_NUM_THREADS", "1")

settings.register_profile("flawline", deadline=None, max_examples=50)
settings.load_profile("flawline")


@pytest.fixture
def short_directory() -> Iterator[Path]:
    """A private folder with a path short enough for ipc sockets."""
    with tempfile.TemporaryDirectory(prefix="fl-", dir="/tmp") as name:
        yield Path(name)
