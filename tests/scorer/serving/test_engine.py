"""Every frame that goes in comes out with exactly one verdict, and an error is never a score."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from contract.clock import NS_PER_S
from contract.codec import Frame
from contract.errors import ImageError
from contract.messages import SCORED, Outcome
from contract.reasons import Reason
from scorer.serving.batch import MAX_ERRORS_IN_A_ROW
from scorer.serving.engine import Ruling
from tests.scorer.fake_model import (
    NAN_GREY,
)
from tests.scorer.frames import CAPTURED_NS, frame
from tests.scorer.serving.bench import FAIL, Bench, grey, only


def test_a_good_and_a_bad_part() -> None:
    good, bad = Bench().judge(grey(50, 1), grey(200, 2))
    assert good.header.outcome is Outcome.PASS
    assert good.header.anomaly_score == pytest.approx(50 / 255)
    assert bad.header.outcome is Outcome.FAIL
    assert bad.header.fail_threshold == FAIL
    assert bad.header.provenance.memory_version == "v1"
    assert bad.header.provenance.model == "fake"
    assert bad.header.picture
    assert bad.snapshot is not None
    assert bad.snapshot.anomaly_map.shape == (2, 2)
    assert (bad.snapshot.pixels == 200).all()
    assert (good.header.picture, good.snapshot) == (False, None)


def test_a_verdict_belongs_to_its_frame() -> None:
    submitted = grey(50, 77, deadline_ns=CAPTURED_NS + NS_PER_S, source_pts_ns=123)
    bench = Bench()
    bench.clock.advance(0.25)
    header = only(bench.judge(submitted)).header
    assert header.stream == submitted.header.stream
    assert header.frame_id == 77
    assert header.times.captured_ns == CAPTURED_NS
    assert header.times.received_ns == header.times.scored_ns == header.times.emitted_ns
    assert header.times.received_ns == CAPTURED_NS + NS_PER_S // 4
    assert header.times.deadline_ns == CAPTURED_NS + NS_PER_S
    assert header.times.source_pts_ns == 123


def test_a_tainted_frame_is_invalid_and_never_scored() -> None:
    bench = Bench()
    verdict = only(bench.judge(grey(50, taint="corrupt_packet")))
    assert verdict.header.outcome is Outcome.INVALID
    assert verdict.header.reason == "corrupt_packet"
    assert verdict.header.anomaly_score is None
    assert verdict.snapshot is None
    assert bench.model.batches == []


@pytest.mark.parametrize(
    ("submitted", "reason"),
    [
        (grey(50, line="spoons"), "unknown_line"),
        (grey(50, camera="cans-top"), "unknown_camera"),
        (frame(), "wrong_size"),
        (grey(50, line="untaught"), "no_reference"),
        (grey(50, line="aimless"), "no_threshold"),
        (grey(50, line="broken"), "scorer_error"),
        (grey(NAN_GREY), "score_not_finite"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_scored_says_why(submitted: Frame, reason: str) -> None:
    verdict = only(Bench().judge(submitted))
    assert verdict.header.outcome is Outcome.UNSCORED
    assert verdict.header.reason == reason
    assert verdict.header.anomaly_score is None
    assert verdict.snapshot is None


def test_one_broken_line_does_not_stop_the_others() -> None:
    frames = [grey(50, 0), grey(50, 1, line="broken"), grey(200, 2, line="cans"), grey(60, 3)]
    outcomes = {each.header.frame_id: each.header.outcome for each in Bench().judge(*frames)}
    assert outcomes == {
        0: Outcome.PASS,
        1: Outcome.UNSCORED,
        2: Outcome.FAIL,
        3: Outcome.PASS,
    }


def test_a_broken_line_among_others_never_ends_the_process() -> None:
    bench = Bench()
    for number in range(3 * MAX_ERRORS_IN_A_ROW):
        bench.judge(grey(50, number), grey(50, number, line="broken"))
    assert bench.engine.outcomes[Outcome.PASS] == 3 * MAX_ERRORS_IN_A_ROW


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("out of memory"),
        torch.OutOfMemoryError("cuda"),
        MemoryError(),
        ValueError(),
        ImageError("x"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_failing_tower_is_survived(error: Exception) -> None:
    bench = Bench()
    bench.model.tower_error = error
    verdicts = bench.judge(grey(50, 0), grey(50, 1, line="cans"))
    assert {each.header.reason for each in verdicts} == {"scorer_error"}
    assert all(each.header.anomaly_score is None for each in verdicts)
    bench.model.tower_error = None
    assert only(bench.judge(grey(50, 2))).header.outcome is Outcome.PASS


def test_a_tower_that_keeps_failing_ends_the_process() -> None:
    """So that the supervisor starts it anew."""
    bench = Bench()
    bench.model.tower_error = RuntimeError("CUDA error: device-side assert triggered")
    for number in range(MAX_ERRORS_IN_A_ROW - 1):
        bench.judge(grey(50, number))
    with pytest.raises(RuntimeError, match="device-side assert"):
        bench.judge(grey(50, 99))


def test_a_frame_whose_deadline_passed_while_it_waited_is_late() -> None:
    bench = Bench()
    bench.engine.submit(grey(50, deadline_ns=CAPTURED_NS + NS_PER_S), CAPTURED_NS)
    bench.clock.advance(1.5)
    verdict = only(bench.engine.step())
    assert verdict.header.outcome is Outcome.LATE
    assert verdict.header.reason == "deadline_missed"
    assert verdict.header.anomaly_score is None
    assert bench.model.batches == []


def test_a_frame_whose_deadline_passed_while_it_was_scored_is_late() -> None:
    bench = Bench()
    bench.engine.submit(grey(50, deadline_ns=CAPTURED_NS + NS_PER_S), CAPTURED_NS)
    look = bench.model.look

    def slow(*arguments: Any) -> Any:
        bench.clock.advance(2.0)
        return look(*arguments)

    bench.model.look = slow  # type: ignore[method-assign,assignment]
    verdict = only(bench.engine.step())
    assert verdict.header.outcome is Outcome.LATE
    assert verdict.header.anomaly_score == pytest.approx(50 / 255)


def test_a_late_frame_does_not_stop_the_rest_for_ever() -> None:
    """One slow step must not have every later frame given up unseen."""
    bench = Bench()
    look = bench.model.look

    def slow_once(*arguments: Any) -> Any:
        bench.clock.advance(30.0)
        bench.model.look = look  # type: ignore[method-assign]
        return look(*arguments)

    bench.model.look = slow_once  # type: ignore[method-assign,assignment]
    bench.judge(grey(50))
    outcomes = []
    for number in range(1, 60):
        bench.clock.advance(0.5)
        deadline_ns = bench.clock.wall_ns() + NS_PER_S // 2
        outcomes.append(only(bench.judge(grey(50, number, deadline_ns=deadline_ns))).header.outcome)
    assert outcomes[0] is Outcome.LATE
    assert outcomes[-1] is Outcome.PASS


def test_waiting_frames_can_be_abandoned() -> None:
    bench = Bench()
    for number in range(3):
        bench.engine.submit(grey(50, number), CAPTURED_NS)
    verdicts = bench.engine.abandon(Reason.SHUTDOWN)
    assert [each.header.frame_id for each in verdicts] == [0, 1, 2]
    assert {(v.header.outcome, v.header.reason) for v in verdicts} == {
        (Outcome.UNSCORED, "shutdown")
    }
    assert not len(bench.scheduler)


def test_frames_of_all_lines_share_a_pass() -> None:
    bench = Bench()
    bench.judge(*(grey(50, number, line=("bottles", "cans")[number % 2]) for number in range(4)))
    assert bench.model.batches == [4]


def test_nothing_to_do() -> None:
    assert Bench().engine.step() == []


def test_some_good_parts_carry_a_picture() -> None:
    verdicts = Bench(pass_sample_fraction=0.5).judge(*(grey(50, number) for number in range(10)))
    assert sum(each.header.picture for each in verdicts) == 5


submissions = st.lists(
    st.tuples(
        st.sampled_from(["bottles", "cans", "broken", "untaught", "aimless", "spoons"]),
        st.integers(0, 255),
        st.none() | st.just("corrupt_packet"),
        st.none() | st.integers(0, 4),
        st.booleans(),
        st.booleans(),
    ),
    max_size=25,
)


@given(submissions)
def test_one_verdict_for_each_frame_whatever_happens(submitted: list[Any]) -> None:
    assume(sum(each[0] == "broken" for each in submitted) < MAX_ERRORS_IN_A_ROW)
    bench = Bench()
    verdicts: list[Ruling] = []
    for number, (name, value, taint, deadline_s, right_size, step) in enumerate(submitted):
        deadline_ns = None if deadline_s is None else CAPTURED_NS + deadline_s * NS_PER_S
        header = {"line": name, "taint": taint, "deadline_ns": deadline_ns}
        made = grey(value, number, **header) if right_size else frame(number, **header)
        verdicts += bench.engine.submit(made, bench.clock.wall_ns())
        if step:
            bench.clock.advance(0.5)
            verdicts += bench.engine.step()
    verdicts += bench.judge()
    assert sorted(each.header.frame_id for each in verdicts) == list(range(len(submitted)))
    assert sorted(each.header.delivery_id for each in verdicts) == list(range(len(submitted)))
    assert sum(bench.engine.outcomes.values()) == len(verdicts)
    for verdict in verdicts:
        name, value, taint, _, right_size, _ = submitted[verdict.header.frame_id]
        if verdict.header.outcome in SCORED:
            assert taint is None
            assert right_size
            assert name in ("bottles", "cans")
            assert (verdict.header.outcome is Outcome.FAIL) == (value / 255 >= FAIL)
        else:
            assert verdict.header.reason
