"""How fast the demo's line runs on the machine that shows it."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from flawline.demo.demo import CONFIG_NAME, FPS, LOAD, MADE_BY_DEMO, affordable_fps, prepare


def test_a_fast_machine_inspects_what_the_demo_wants() -> None:
    assert affordable_fps(0.030) == FPS


def test_a_slow_machine_inspects_fewer() -> None:
    assert affordable_fps(0.210) == 3.0


@given(frame_s=st.floats(0.001, 60.0))
def test_the_scorer_always_has_time_left_for_bursts(frame_s: float) -> None:
    """Down to one frame in two seconds, below which there is nothing to see."""
    fps = affordable_fps(frame_s)
    assert 0.5 <= fps <= FPS
    assert fps == 0.5 or fps * frame_s <= LOAD


def test_what_an_earlier_demo_left_is_gone_and_nothing_else(tmp_path: Path) -> None:
    """Its judgements above all: they would be booked in the new store."""
    (tmp_path / CONFIG_NAME).write_text(MADE_BY_DEMO)
    for name in ("events.db", "events.db-wal", "judged.journal", "clock.note", "report-1.html"):
        (tmp_path / name).touch()
    for name in ("epochs", "heatmaps", "memories", "logs"):
        (tmp_path / name).mkdir()
    (tmp_path / "notes.txt").touch()
    prepare(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
