"""The epoch of a run is above those of all runs before, whatever the clock says."""

from __future__ import annotations

from pathlib import Path

import pytest

from contract.errors import EXIT_RECOVERABLE, StorageError
from ingest.epochs import next_epoch
from tests.disks import fill, small_disk
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


def test_a_run_that_cannot_be_noted_does_not_begin(tmp_path: Path) -> None:
    """The next one, with a clock that was set back, would be given the same epoch."""
    (tmp_path / "epochs").touch()
    with pytest.raises(StorageError, match=r"camera top cannot start: .*epochs/top") as refused:
        next_epoch(tmp_path / "epochs", "top", FakeClock())
    assert refused.value.exit_code == EXIT_RECOVERABLE


def test_a_full_disk_gives_no_epoch_twice(tmp_path: Path) -> None:
    """An earlier note is written over, which needs no room; a first one cannot be written."""
    clock = FakeClock()
    with small_disk(tmp_path / "disk", "size=256k") as disk:
        given = [next_epoch(disk / "epochs", "top", clock)]
        clock.step(-3600.0)
        fill(disk)
        given += [next_epoch(disk / "epochs", "top", clock) for _ in range(3)]
        with pytest.raises(StorageError, match="No space left"):
            next_epoch(disk / "epochs", "side", clock)
    assert given == list(range(given[0], given[0] + 4))
