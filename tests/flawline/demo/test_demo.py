"""How fast the demo's line runs on the machine that shows it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flawline.demo.demo import FPS, LOAD, affordable_fps


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
