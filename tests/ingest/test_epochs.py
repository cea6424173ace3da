"""The epoch of a run is above those of all runs before, whatever the clock says."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.epochs import next_epoch
from tests.fakes import FakeClock


def test_epochs_are_the_wall_clock_and_only_go_up(tmp_path: Path) -> None:
    clock = FakeClock()
    first = next_epoch(tmp_path / "epochs", "top", clock)
    assert first == clock.wall_ns() // 1_000_000
    assert next_epoch(tmp_path / "epochs", "top", clock) == first + 1
    clock.step(-3600.0)
    assert next_epoch(tmp_path / "epochs", "top", clock) == first + 2
    assert next_epoch(tmp_path / "epochs", "side", clock) == clock.wall_ns() // 1_000_000
    clock.advance(7200.0)
    assert next_epoch(tmp_path / "epochs", "top", clock) == clock.wall_ns() // 1_000_000


@pytest.mark.parametrize("content", ["", "soon", "-1", "1" * 5000])
def test_a_note_that_is_none_does_not_stop_the_camera(
    content: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = FakeClock()
    (tmp_path / "top").write_text(content)
    first = next_epoch(tmp_path, "top", clock)
    assert first == clock.wall_ns() // 1_000_000
    assert "the last epoch of camera top is not known" in caplog.text
    caplog.clear()
    assert next_epoch(tmp_path, "top", clock) == first + 1
    assert not caplog.text, "it is put right"


def test_neither_does_a_folder_that_cannot_be_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = FakeClock()
    (tmp_path / "epochs").touch()
    assert next_epoch(tmp_path / "epochs", "top", clock) == clock.wall_ns() // 1_000_000
    assert "is not known" in caplog.text
