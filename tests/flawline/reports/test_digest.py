"""One pass over a line's frames: nothing that stands out is lost, and memory stays bounded."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.clock import NS_PER_S
from contract.messages import Outcome
from flawline.reports.digest import MAX_ALARMS, MAX_USES, Digest
from flawline.reports.spread import Spread
from flawline.reports.timeline import Timeline
from sinks.store.event import Event
from sinks.store.rows import Drop
from tests.sinks.kit import STREAM, verdict

T0_NS = 1_790_000_000 * NS_PER_S


def event(
    at_s: float, outcome: Outcome = Outcome.PASS, *, picture: bool = False, **fields: Any
) -> Event:
    header = verdict(0, outcome, **{"captured_ns": T0_NS + round(at_s * NS_PER_S)} | fields)
    return Event.of(
        header, arrived_ns=header.times.captured_ns, evidence="x.jpg" if picture else None
    )


FRAMES = st.lists(
    st.tuples(st.floats(0, 3e6), st.sampled_from([Outcome.PASS, Outcome.FAIL]), st.floats(0, 1)),
    min_size=1,
    max_size=60,
)


@given(FRAMES)
def test_joined_bins_keep_every_frame_and_every_extreme(
    frames: list[tuple[float, Outcome, float]],
) -> None:
    timeline = Timeline(max_bins=8, width_ns=NS_PER_S)
    for at_s, outcome, score in frames:
        timeline.add(event(at_s, outcome, anomaly_score=score, picture=True))
    numbers = sorted(timeline.bins)
    assert numbers[-1] - numbers[0] < 8
    for at_s, outcome, score in frames:
        number = (T0_NS + round(at_s * NS_PER_S)) // timeline.width_ns
        low, high = timeline.bins[number].scores[outcome]
        assert low <= score <= high
    for outcome in (Outcome.PASS, Outcome.FAIL):
        scores = [score for _, each, score in frames if each is outcome]
        bins = [each for each in timeline.bins.values() if outcome in each.scores]
        assert sum(each.frames[outcome] for each in bins) == len(scores)
        if scores:
            assert min(each.scores[outcome][0] for each in bins) == min(scores)
            assert max(each.scores[outcome][1] for each in bins) == max(scores)
            assert max(each.highest[outcome].anomaly_score or 0 for each in bins) == max(scores)


def test_a_lone_outlier_of_a_month_is_still_there() -> None:
    timeline = Timeline()
    for minute in range(30 * 24 * 60):
        score = 0.99 if minute == 20_000 else 0.1
        timeline.add(event(60.0 * minute, anomaly_score=score))
    assert len(timeline.bins) <= 480
    assert max(each.scores[Outcome.PASS][1] for each in timeline.bins.values()) == 0.99


def test_a_timeline_is_joined_without_touching_the_first() -> None:
    timeline = Timeline()
    for second in range(100):
        timeline.add(event(second, anomaly_score=second / 100))
    joined = timeline.joined(10)
    assert (len(timeline.bins), len(joined.bins)) == (100, 7)
    assert sum(each.frames.total() for each in joined.bins.values()) == 100
    assert all(each.frames.total() == 1 for each in timeline.bins.values())


def test_percentiles_are_within_one_percent() -> None:
    spans_ns = np.random.default_rng(1).lognormal(18, 1, 5000).astype(int)
    spread = Spread()
    for span_ns in spans_ns:
        spread.add(int(span_ns))
    for share in (0.5, 0.99):
        exact = float(np.quantile(spans_ns, share, method="inverted_cdf")) / 1e6
        assert spread.percentile_ms(share) == pytest.approx(exact, rel=0.01)
    assert Spread().percentile_ms(0.5) is None


def test_a_clock_that_steps_back_counts_as_no_time() -> None:
    spread = Spread()
    spread.add(-5)
    assert spread.percentile_ms(0.5) == pytest.approx(0.01, rel=0.01)


def test_a_change_of_the_judge_starts_a_new_stretch_for_its_camera_only() -> None:
    digest = Digest()
    other = STREAM._replace(camera="side")
    for at_s in range(10):
        digest.add(event(at_s, fail_threshold=0.5 if at_s < 4 else 0.6))
        digest.add(event(at_s, stream=other))
    uses = [(use.camera, use.judge.fail_threshold, use.num_frames) for use in digest.uses]
    assert uses == [("top", 0.5, 4), ("side", 0.5, 10), ("top", 0.6, 6)]


def test_frames_that_were_not_scored_do_not_change_the_judge() -> None:
    digest = Digest()
    digest.add(event(0, memory_version="v1"))
    digest.add(event(1, Outcome.LATE, anomaly_score=0.2))
    digest.add(event(2, memory_version="v1"))
    assert [use.num_frames for use in digest.uses] == [2]


def test_lists_are_bounded_and_say_how_many_there_were() -> None:
    digest = Digest()
    for at_s in range(500):
        digest.add(event(at_s, memory_version=f"v{at_s}", drift_evidence=1.5, drift_alarm="lower"))
    assert (len(digest.uses), digest.num_uses) == (MAX_USES, 500)
    assert (len(digest.alarms), digest.num_alarms) == (MAX_ALARMS, 500)
    assert digest.uses[-1].judge.memory_version == "v499"


def test_frames_without_a_verdict_count_as_unscored() -> None:
    digest = Digest()
    key = STREAM._asdict()
    digest.drop(Drop(**key, first_frame_id=3, last_frame_id=7, reason="lost", noted_ns=T0_NS))
    assert digest.outcomes == {Outcome.UNSCORED: 5}
    assert digest.reasons == {(Outcome.UNSCORED, "lost"): 5}
    assert digest.defect_rate is None
    assert digest.num_frames == digest.num_dropped == 5
