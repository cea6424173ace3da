"""What a step takes, by warm-up and by experience."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scorer.serving.cost import Cost

times = st.floats(1.0, 1e12)


@given(st.integers(1, 10_000), st.integers(1, 10_000), times, times)
def test_no_measurement_gives_negative_times(
    few: int, more: int, short_ns: float, long_ns: float
) -> None:
    cost = Cost.fit((few, short_ns), (few + more, long_ns))
    assert cost.batch_ns >= 0
    assert cost.token_ns >= 0
    assert cost.step_ns(few + more) >= cost.step_ns(few) > 0 or short_ns < 2


def test_one_measurement_is_taken_as_proportional() -> None:
    assert Cost.fit((10, 500.0), (10, 500.0)).step_ns(20) == 1000


def test_experience_corrects_the_warm_up() -> None:
    cost = Cost(batch_ns=100, token_ns=1)
    for _ in range(50):
        cost = cost.learn(100, 600.0)
    assert cost.step_ns(100) == pytest.approx(600, rel=0.01)
    assert cost.step_ns(500) == pytest.approx(1800, rel=0.01)


def test_without_warm_up_the_first_step_teaches() -> None:
    assert Cost().step_ns(100) == 0
    assert Cost().learn(100, 500.0).step_ns(200) == 1000


def test_a_probe_is_believed_alone() -> None:
    """Else one slow step would have frames given up for as long as it takes to forget it."""
    cost = Cost(token_ns=1).learn(1, 1e9)
    assert cost.learn(100, 50.0, rate=1.0).step_ns(1000) == 500
