"""What the stations of several files need."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pictures import save_shots


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six pictures; the last has a spot."""
    return save_shots(tmp_path / "shots", 6)
