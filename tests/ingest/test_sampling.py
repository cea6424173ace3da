"""How many frames pass, whatever the source's clock does."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest

from ingest.sampling import Sampler

MS = 1_000_000


def admitted(fps: float | None, positions_ns: Iterable[int | None]) -> list[int]:
    """Indices of the frames that pass, when frames arrive as they are positioned."""
    sampler = Sampler(fps)
    return [
        index
        for index, pts_ns in enumerate(positions_ns)
        if sampler.admits(pts_ns=pts_ns, arrival_ns=pts_ns or 0)
    ]


def test_every_frame_passes_without_fps() -> None:
    assert admitted(None, [0, 0, 0]) == [0, 1, 2]


def test_one_frame_in_four_is_evenly_spaced() -> None:
    assert admitted(5, [i * 50 * MS for i in range(40)]) == list(range(0, 40, 4))


@pytest.mark.parametrize("fps", [1, 7, 10, 12.5, 24.9])
def test_the_rate_does_not_drift_in_an_hour(fps: float) -> None:
    source_fps, seconds = 30000 / 1001, 3600
    positions = [round(i * 1e9 / source_fps) for i in range(round(source_fps * seconds))]
    assert len(admitted(fps, positions)) == pytest.approx(fps * seconds, abs=2)


def test_a_source_at_the_asked_rate_passes_whole_despite_jitter() -> None:
    rng = random.Random(1)
    positions = [i * 40 * MS + rng.randrange(-3 * MS, 3 * MS) for i in range(2500)]
    assert len(admitted(25, positions)) == 2500


def test_a_slower_source_passes_whole() -> None:
    assert len(admitted(25, [i * 100 * MS for i in range(100)])) == 100


def test_a_pause_does_not_become_a_burst() -> None:
    before = [i * 50 * MS for i in range(20)]
    after = [60_000 * MS + i * 50 * MS for i in range(20)]
    assert len(admitted(5, before + after)) <= 11


def test_arrival_counts_when_the_timestamps_stand_still_or_are_missing() -> None:
    for pts_ns in (7 * MS, None):
        sampler = Sampler(5)
        passed = [sampler.admits(pts_ns=pts_ns, arrival_ns=i * 50 * MS) for i in range(40)]
        assert sum(passed) == 10


def test_timestamps_that_start_again_do_not_silence_the_camera() -> None:
    positions = [i * 50 * MS for i in range(40)]
    assert len(admitted(5, positions + positions)) >= 19
