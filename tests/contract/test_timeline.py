"""The time that the processes of a host share, over settings of the clock and restarts."""

from __future__ import annotations

import fcntl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from contract import timeline
from contract.clock import NS_PER_S
from contract.timeline import NAME, Timeline

HOUR_NS = 3600 * NS_PER_S
CLOSE_NS = NS_PER_S  # no two readings of these tests are further apart than their distance in time

OTHER = """
import sys
from pathlib import Path
from contract.timeline import Timeline
with Timeline(Path(sys.argv[1])) as shared:
    print(shared.wall_ns(), flush=True)
    sys.stdin.readline()
"""


class WallClock:
    """The wall clock of this host as it would be had somebody set it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.set_by_ns = 0
        self._true_ns = timeline.wall_offset_ns
        monkeypatch.setattr(timeline, "wall_offset_ns", lambda: self._true_ns() + self.set_by_ns)

    def now_ns(self) -> int:
        return time.time_ns() + self.set_by_ns


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> WallClock:
    return WallClock(monkeypatch)


@contextmanager
def other_process(directory: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A process of the same station, and what its clock said between two readings of ours."""
    process = subprocess.Popen(
        [sys.executable, "-c", OTHER, str(directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield process, int(process.stdout.readline())
    finally:
        process.communicate("\n", timeout=30)


def test_it_is_the_wall_clock_as_long_as_nobody_sets_that(tmp_path: Path) -> None:
    before_ns = time.time_ns()
    with Timeline(tmp_path / "run") as shared:
        told_ns = shared.wall_ns()
        assert before_ns - CLOSE_NS / 1000 <= told_ns <= time.time_ns() + CLOSE_NS / 1000
        assert shared.step_s() == pytest.approx(0, abs=0.001)


@pytest.mark.parametrize("set_by_ns", [HOUR_NS, -HOUR_NS])
def test_setting_the_clock_changes_it_for_no_process_of_the_station(
    set_by_ns: int, tmp_path: Path, wall: WallClock
) -> None:
    with Timeline(tmp_path) as first:
        start_ns = first.wall_ns()
        wall.set_by_ns = set_by_ns
        with Timeline(tmp_path) as second:
            times_ns = [start_ns, first.wall_ns(), second.wall_ns(), first.wall_ns()]
            assert times_ns == sorted(times_ns)
            assert times_ns[-1] - start_ns < HOUR_NS / 2
            assert second.step_s() == pytest.approx(set_by_ns / NS_PER_S, abs=1.0)


def test_a_real_process_that_starts_later_agrees(tmp_path: Path, wall: WallClock) -> None:
    wall.set_by_ns = HOUR_NS
    with Timeline(tmp_path) as ours:
        before_ns = ours.wall_ns()
        with other_process(tmp_path) as (_, told_ns):
            assert before_ns < told_ns < ours.wall_ns()


def test_the_first_may_end_before_the_others(tmp_path: Path, wall: WallClock) -> None:
    wall.set_by_ns = HOUR_NS
    first = Timeline(tmp_path)
    with other_process(tmp_path) as (_, told_ns):
        first.close()
        wall.set_by_ns = 0
        with Timeline(tmp_path) as third:
            assert told_ns < third.wall_ns() < told_ns + HOUR_NS / 2


def test_a_new_start_takes_the_new_time_over(tmp_path: Path, wall: WallClock) -> None:
    """Also after all were killed: a lock does not outlive its process."""
    with other_process(tmp_path) as (process, _):
        process.kill()
        process.wait(30)
    wall.set_by_ns = -HOUR_NS
    with Timeline(tmp_path) as again:
        assert abs(again.wall_ns() - wall.now_ns()) < CLOSE_NS
        assert again.step_s() == pytest.approx(0, abs=0.001)


def test_every_setting_is_told_once(
    tmp_path: Path, wall: WallClock, caplog: pytest.LogCaptureFixture
) -> None:
    with Timeline(tmp_path) as shared:
        for set_by_ns in (0, HOUR_NS, HOUR_NS, 0, 0):
            wall.set_by_ns = set_by_ns
            shared.tell_step(beyond_s=0.1)
    told_s = [float(str(record.getMessage()).split()[7]) for record in caplog.records]
    assert told_s == pytest.approx([3600.0, 0.0], abs=0.01)


def test_a_folder_that_cannot_be_used_leaves_a_time_of_its_own(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "run").touch()
    with Timeline(tmp_path / "run") as own:
        assert abs(own.wall_ns() - time.time_ns()) < CLOSE_NS
    assert f"{tmp_path / 'run' / NAME} cannot be used" in caplog.text


def test_a_note_that_is_none_leaves_a_time_of_its_own(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Timeline(tmp_path):
        (tmp_path / NAME).write_text("soon")
        with Timeline(tmp_path) as own:
            assert abs(own.wall_ns() - time.time_ns()) < CLOSE_NS
    assert "goes by its own time" in caplog.text


def test_a_run_directory_of_another_host_is_not_believed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """On a network file system, where a lock is everybody's, but no boot clock is."""
    with (tmp_path / NAME).open("w", encoding="ascii") as file:
        file.write("0 d3b07384-d9a0-4c9b-8f6e-2d2b3b4a5c6d\n")
        file.flush()
        fcntl.flock(file, fcntl.LOCK_SH)
        with Timeline(tmp_path) as here:
            assert abs(here.wall_ns() - time.time_ns()) < CLOSE_NS
    assert "another host uses this run directory" in caplog.text
