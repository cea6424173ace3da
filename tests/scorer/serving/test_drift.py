"""The drift test: silent while nothing changes, soon loud when something does, for good."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scorer.references.conformal import Calibration
from scorer.serving import drift
from scorer.serving.drift import BETS, MAX_SCORES, TESTS_TO_FALSE_ALARM, Direction, Drift


def calibration(scores: list[float]) -> Calibration:
    return Calibration(scores=tuple(sorted(scores)), false_reject_rate=0.1, false_reject_bound=0.2)


def normal(chance: random.Random, mean: float = 0.3) -> float:
    return min(1.0, max(0.0, chance.gauss(mean, 0.05)))


def watched(seed: int, num: int = 100) -> tuple[Drift, random.Random]:
    """A test that knows `num` scores of a line, and where more of them come from."""
    chance = random.Random(seed)
    known = calibration([normal(chance) for _ in range(num)])
    return Drift(known, every=1, seed=seed), chance


def run(it: Drift, scores: list[float]) -> list[drift.Tested]:
    return [tested for score in scores if (tested := it.observe(score)) is not None]


@given(
    st.lists(st.sampled_from((0.1, 0.2, 0.3, 0.4)), min_size=1, max_size=8),
    st.lists(st.sampled_from((0.1, 0.2, 0.3, 0.4)), min_size=1, max_size=8),
)
def test_the_statistic_by_hand(known: list[float], seen: list[float]) -> None:
    it = Drift(calibration(known), every=1, seed=1)
    chance, bag, sums = random.Random(1), list(known), [0.0] * len(BETS)
    for score, tested in zip(seen, run(it, seen), strict=True):
        chance.randrange(1, 2)
        higher = sum(other > score for other in bag)
        equal = sum(other == score for other in bag) + 1
        p_value = (higher + chance.random() * equal) / (len(bag) + 1)
        bag.append(score)
        sums = [(r + 1) * (1 + bet * (2 * p_value - 1)) for r, bet in zip(sums, BETS, strict=True)]
        assert tested.evidence == pytest.approx(sum(sums) / 4 / TESTS_TO_FALSE_ALARM)


@pytest.mark.parametrize("num", [40, 300])
def test_no_alarm_while_nothing_changes(num: int) -> None:
    for seed in range(20):
        it, chance = watched(seed, num)
        tested = run(it, [normal(chance) for _ in range(1000)])
        assert not any(each.alarm for each in tested)


@pytest.mark.parametrize(("mean", "direction"), [(0.4, Direction.HIGHER), (0.2, Direction.LOWER)])
@pytest.mark.parametrize("after", [0, 500])
def test_a_shift_is_found_soon_and_told_once(mean: float, direction: Direction, after: int) -> None:
    for seed in range(10):
        it, chance = watched(seed)
        before = run(it, [normal(chance) for _ in range(after)])
        assert not any(each.alarm for each in before)
        tested = run(it, [normal(chance, mean) for _ in range(60)])
        alarms = [number for number, each in enumerate(tested) if each.alarm]
        assert len(alarms) == 1
        assert tested[alarms[0]].direction is direction
        assert all(each.evidence >= 1 for each in tested[alarms[0] :])


def test_an_alarm_stays_when_the_new_becomes_usual() -> None:
    it, chance = watched(3)
    run(it, [normal(chance, 0.5) for _ in range(100)])
    assert all(each.evidence >= 1 for each in run(it, [normal(chance) for _ in range(2000)]))


@pytest.mark.parametrize("num", [100, 1000])
def test_a_few_defects_are_no_drift(num: int) -> None:
    for seed in range(10):
        it, chance = watched(seed, num)
        scores = [0.9 if chance.random() < 0.05 else normal(chance) for _ in range(1000)]
        assert not any(each.alarm for each in run(it, scores))


def test_of_each_camera_a_frame_is_tested_now_and_then() -> None:
    it = Drift(calibration([0.1, 0.2]), every=25)
    for camera in ("left", "right"):
        places = [place for place in range(2000) if it.observe(0.15, camera) is not None]
        gaps = [later - earlier for earlier, later in pairwise(places)]
        assert min(gaps) >= 25
        assert max(gaps) < 50
        assert len(set(gaps)) > 10, "even gaps keep step with parts that come evenly"


@pytest.mark.parametrize("period", [5, 12.5, 25, 25.25])
def test_parts_that_come_evenly_are_no_drift(period: float) -> None:
    """The score depends on where the part is; calibration and stream show all places alike."""
    for seed in range(10):
        chance = random.Random(seed)

        def place(frame: float) -> float:
            return 0.3 + 0.1 * ((frame / period) % 1.0)

        known = [place(chance.randrange(10**6)) for _ in range(200)]
        it = Drift(calibration(known), every=25, seed=seed)
        tested = [it.observe(place(frame)) for frame in range(25_000)]
        assert not any(each.alarm for each in tested if each is not None)


def test_a_camera_that_alone_drifts_is_found_whatever_the_others_do() -> None:
    chance = random.Random(1)
    it = Drift(calibration([normal(chance) for _ in range(200)]), every=24)
    tested = [
        it.observe(0.9 if camera == "left" else normal(chance), camera)
        for _ in range(4000)
        for camera in ("left", "right")
    ]
    assert any(each.alarm for each in tested if each is not None)


def test_it_goes_on_for_months_in_bounded_memory() -> None:
    it, chance = watched(5)
    run(it, [normal(chance) for _ in range(3 * MAX_SCORES)])
    assert len(it._known) == MAX_SCORES
    assert it._known == sorted(it._known)
    tested = run(it, [normal(chance, 0.45) for _ in range(60)])
    assert any(each.alarm for each in tested)
