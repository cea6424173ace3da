"""What the stations of several files need."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pictures import save_picture


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Six pictures; the last has a spot."""
    for number in range(6):
        save_picture(tmp_path / "shots" / f"{number:02}.png", spot=number == 5)
    yield tmp_path / "shots"
