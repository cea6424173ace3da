"""Every frame that goes in comes out with exactly one verdict, and an error is never a score."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise
from typing import Any, cast

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from contract.clock import NS_PER_S
from contract.codec import Frame
from contract.config import CacheSettings
from contract.errors import ImageError
from contract.messages import SCORED, Outcome
from contract.reasons import Reason
from scorer import WinClip
from scorer.references.conformal import Calibration
from scorer.serving.batch import MAX_ERRORS_IN_A_ROW, BatchScorer
from scorer.serving.cost import Cost
from scorer.serving.engine import Engine, Ruling
from scorer.serving.lines import LineState, MemoryInUse
from scorer.serving.scheduler import Scheduler
from scorer.serving.verdicts import Thresholds
from tests.fakes import FakeClock
from tests.scorer.fake_model import (
    BROKEN,
    BROKEN_WORDS,
    LENIENT,
    NAN_GREY,
    STRICT,
    FakeModel,
    fake_tiling,
)
from tests.scorer.frames import CAPTURED_NS, frame
from tests.scorer.shelves import line

WORDS = torch.tensor([1.0])
FAIL = 0.5
CACHE_OFF = CacheSettings.model_validate({"mode": "off"})


class Bench:
    """An engine with lines `bottles`, `cans`, `broken`, `untaught` and `aimless`."""

    def __init__(self, **options: Any) -> None:
        self.clock = FakeClock(CAPTURED_NS)
        self.model = FakeModel()
        tiling = fake_tiling()
        judge = MemoryInUse(LENIENT, "v1", Thresholds(FAIL))
        self.lines = {
            "bottles": LineState(line("bottles"), WORDS, tiling, judge),
            "cans": LineState(line("cans"), WORDS, tiling, judge),
            "broken": LineState(line("broken"), BROKEN_WORDS, tiling, judge),
            "untaught": LineState(line("untaught"), WORDS, tiling, problem=Reason.NO_REFERENCE),
            "aimless": LineState(line("aimless"), WORDS, tiling),
        }
        self.scheduler = Scheduler(max_pending=100, max_batch_frames=4, max_batch_tokens=1000)
        self.engine = Engine(
            BatchScorer(cast(WinClip, self.model), self.lines, CACHE_OFF),
            self.lines,
            self.scheduler,
            self.clock,
            model=FakeModel.fingerprint,
            cost=Cost(),
            **options,
        )

    def judge(self, *frames: Frame) -> list[Ruling]:
        """Submit all, step until nothing waits."""
        verdicts = [
            verdict for each in frames for verdict in self.engine.submit(each, self.clock.wall_ns())
        ]
        while self.engine.pending:
            verdicts += self.engine.step()
        return verdicts


def grey(value: int, frame_id: int = 0, **header: Any) -> Frame:
    """A 16 x 16 frame of one grey; its score is value / 255."""
    return frame(frame_id, pixels=np.full((16, 16, 3), value, dtype=np.uint8), **header)


def only(verdicts: list[Ruling]) -> Ruling:
    assert len(verdicts) == 1
    return verdicts[0]


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


def test_a_shadow_judges_beside_without_a_say() -> None:
    """It is stricter: what it would have failed is counted, what the PLC is told stays."""
    bench = Bench()
    shadow = MemoryInUse(STRICT, "v2", Thresholds(FAIL))
    bench.lines["bottles"] = replace(bench.lines["bottles"], shadow=shadow)
    verdicts = bench.judge(grey(50, 0), grey(100, 1), grey(200, 2), grey(100, 3, line="cans"))
    assert [v.header.outcome for v in verdicts] == [
        Outcome.PASS,
        Outcome.PASS,
        Outcome.FAIL,
        Outcome.PASS,
    ]
    shadows = [v.header.shadow for v in verdicts]
    assert [shadow and shadow.outcome for shadow in shadows] == [
        Outcome.PASS,
        Outcome.FAIL,
        Outcome.FAIL,
        None,
    ]
    assert shadows[1] is not None
    assert shadows[1].score == pytest.approx(200 / 255)
    assert shadows[1].version == "v2"
    report = bench.engine.shadows.reports()["bottles"]
    assert (report.version, report.frames) == ("v2", 3)
    assert report.disagreements == {"PASS->FAIL": 1}
    assert "cans" not in bench.engine.shadows.reports()


def test_a_shadow_that_fails_harms_nobody() -> None:
    bench = Bench()
    bench.lines["bottles"] = replace(
        bench.lines["bottles"], shadow=MemoryInUse(BROKEN, "v2", Thresholds(FAIL))
    )
    for number in range(2 * MAX_ERRORS_IN_A_ROW):
        verdict = only(bench.judge(grey(50, number)))
        assert verdict.header.outcome is Outcome.PASS
        assert verdict.header.shadow is None


def test_a_late_frame_is_no_disagreement_and_a_shadow_that_is_gone_is_not_told() -> None:
    bench = Bench()
    bench.lines["bottles"] = replace(
        bench.lines["bottles"], shadow=MemoryInUse(LENIENT, "v2", Thresholds(FAIL))
    )
    look = bench.model.look

    def slow(*arguments: Any) -> Any:
        bench.clock.advance(2.0)
        return look(*arguments)

    bench.judge(grey(50, 0))
    bench.model.look = slow  # type: ignore[method-assign,assignment]
    late = only(bench.judge(grey(50, 1, deadline_ns=bench.clock.wall_ns() + NS_PER_S)))
    assert late.header.outcome is Outcome.LATE
    assert bench.engine.shadows.reports()["bottles"].frames == 1
    bench.lines["bottles"] = replace(bench.lines["bottles"], shadow=None)
    assert bench.engine.shadows.reports() == {}


class Station(Bench):
    """Scoring takes 10 ms a token; a frame has ten, of which the cache saves `saved_tokens`."""

    def __init__(self) -> None:
        super().__init__()
        self.engine._cost = Cost(token_ns=NS_PER_S / 100)
        look = self.model.look

        def timed(crops: Any, *rest: Any) -> Any:
            self.clock.advance((10 - self.model.saved_tokens) * len(crops) / 100)
            return look(crops, *rest)

        self.model.look = timed  # type: ignore[method-assign,assignment]

    def bursts(self, num: int, *, frames: int, deadline_s: float) -> list[Counter[Outcome]]:
        """Outcomes of bursts of frames that come together, once a second."""
        counts = []
        for burst in range(num):
            start_s = self.clock.monotonic_s()
            deadline_ns = self.clock.wall_ns() + int(deadline_s * NS_PER_S)
            verdicts = self.judge(
                *(
                    grey(50, frames * burst + part, deadline_ns=deadline_ns)
                    for part in range(frames)
                )
            )
            counts.append(Counter(each.header.outcome for each in verdicts))
            self.clock.advance(max(0.0, 1.0 - (self.clock.monotonic_s() - start_s)))
        return counts


def test_in_every_burst_as_many_are_in_time_as_can_be() -> None:
    """Eight cameras triggered together; 450 ms are enough for four frames of 100 ms."""
    for outcomes in Station().bursts(60, frames=8, deadline_s=0.45):
        assert outcomes == {Outcome.PASS: 4, Outcome.LATE: 4}


def test_cameras_that_lose_a_burst_again_and_again_break_it_for_nobody() -> None:
    """As above with a camera for each frame: those that never win are no cheaper for it."""
    station = Station()
    cameras = [{"name": f"cam-{number}", "source": "/dev/video0"} for number in range(8)]
    state = station.lines["bottles"]
    station.lines["bottles"] = replace(state, line=line("bottles", cameras=cameras))
    for burst in range(40):
        deadline_ns = station.clock.wall_ns() + int(0.45 * NS_PER_S)
        frames = (
            grey(50, burst, camera=camera["name"], deadline_ns=deadline_ns) for camera in cameras
        )
        outcomes = Counter(verdict.header.outcome for verdict in station.judge(*frames))
        assert outcomes == {Outcome.PASS: 4, Outcome.LATE: 4}
        station.clock.advance(0.6)


def test_after_a_long_still_only_the_first_frames_of_motion_are_misjudged() -> None:
    """While nothing moves frames cost a tenth; then a belt starts that leaves time for four."""
    station = Station()
    station.model.saved_tokens = 9
    still = station.bursts(120, frames=8, deadline_s=0.45)
    assert all(outcomes == {Outcome.PASS: 8} for outcomes in still[2:])
    station.model.saved_tokens = 0
    moving = station.bursts(10, frames=8, deadline_s=0.45)
    assert all(outcomes == {Outcome.PASS: 4, Outcome.LATE: 4} for outcomes in moving[1:]), moving


def test_one_change_does_not_shut_a_still_camera_out() -> None:
    """Its full cost is more than there is time for, another line is busy all along."""
    station = Station()
    station.model.saved_tokens = 9
    outcomes: list[Outcome] = []
    for number in range(400):
        station.model.saved_tokens = 0 if number == 3 else 9
        deadline_ns = station.clock.wall_ns() + NS_PER_S * 6 // 100
        frames = (grey(50, number, deadline_ns=deadline_ns), grey(50, number, line="cans"))
        by_line = {each.header.line: each.header for each in station.judge(*frames)}
        outcomes.append(by_line["bottles"].outcome)
        station.clock.advance(0.1)
    assert outcomes[3] is Outcome.LATE
    assert set(outcomes[-100:]) == {Outcome.PASS}


def test_a_machine_that_is_too_slow_is_probed_once_a_second_and_no_more() -> None:
    """Every frame takes 100 ms and has 60; ten come a second."""
    station = Station()
    scored = []
    for number in range(100):
        deadline_ns = station.clock.wall_ns() + NS_PER_S * 6 // 100
        header = only(station.judge(grey(50, number, deadline_ns=deadline_ns))).header
        assert header.outcome is Outcome.LATE
        scored += [station.clock.monotonic_s()] if header.anomaly_score is not None else []
        station.clock.advance(0.1)
    assert 5 <= len(scored) <= 10
    assert min(after - before for before, after in pairwise(scored)) > 1.0


def test_a_probe_delays_nobody_who_can_be_in_time() -> None:
    """`cans` has two frames that need 100 ms each and have 150 and 250."""
    station = Station()
    outcomes: list[Outcome] = []
    probes = 0
    for number in range(60):
        now_ns = station.clock.wall_ns()
        short = grey(50, number, deadline_ns=now_ns + NS_PER_S * 6 // 100)
        cans = [
            grey(
                50,
                2 * number + late,
                line="cans",
                deadline_ns=now_ns + hundredths * NS_PER_S // 100,
            )
            for late, hundredths in enumerate((15, 25))
        ]
        headers = [each.header for each in station.judge(short, *cans)]
        outcomes += [header.outcome for header in headers if header.line == "cans"]
        [given_up] = [header for header in headers if header.line == "bottles"]
        assert given_up.outcome is Outcome.LATE
        probes += given_up.anomaly_score is not None
        station.clock.advance(0.1)
    assert probes >= 5
    assert set(outcomes) == {Outcome.PASS}


def test_a_probe_is_scored_though_other_frames_never_end() -> None:
    station = Station()
    probed = 0
    for number in range(200):
        now_ns = station.clock.wall_ns()
        if number % 5 == 0:
            short = grey(50, number, deadline_ns=now_ns + NS_PER_S * 6 // 100)
            station.engine.submit(short, now_ns)
        for part in range(2):
            station.engine.submit(grey(50, 2 * number + part, line="cans"), now_ns)
            if len(station.scheduler) > 20:
                break
        headers = [each.header for each in station.engine.step()]
        probed += any(h.line == "bottles" and h.anomaly_score is not None for h in headers)
    assert probed >= 3


def test_a_probe_that_waits_is_given_up_at_the_end_like_any_frame() -> None:
    station = Station()
    for number in range(60):
        deadline_ns = station.clock.wall_ns() + NS_PER_S * 6 // 100
        station.engine.submit(grey(50, number, deadline_ns=deadline_ns), station.clock.wall_ns())
        if not station.engine.step() and station.engine.pending:
            break
        station.clock.advance(0.1)
    header = only(station.engine.abandon(Reason.SHUTDOWN)).header
    assert (header.outcome, header.reason) == (Outcome.UNSCORED, Reason.SHUTDOWN)
    assert station.engine.pending == 0


def test_another_shadow_is_counted_anew() -> None:
    bench = Bench()
    for version in ("v2", "v3"):
        shadow = MemoryInUse(STRICT, version, Thresholds(FAIL))
        bench.lines["bottles"] = replace(bench.lines["bottles"], shadow=shadow)
        bench.judge(grey(50))
    assert bench.engine.shadows.reports()["bottles"].frames == 1
    assert bench.engine.shadows.reports()["bottles"].version == "v3"


def test_a_calibrated_line_tells_how_likely_a_good_frame_scores_as_high() -> None:
    bench = Bench()
    calibration = Calibration(
        scores=(0.1, 0.2, 0.3), false_reject_rate=0.25, false_reject_bound=0.7
    )
    judge = MemoryInUse(LENIENT, "v1", Thresholds(FAIL), calibration=calibration)
    bench.lines["bottles"] = replace(bench.lines["bottles"], active=judge)
    verdicts = bench.judge(grey(50, 0), grey(200, 1), grey(50, 2, line="cans"))
    assert [verdict.header.p_value for verdict in verdicts] == [0.75, 0.25, None]
    assert only(bench.judge(grey(50, 3, taint="corrupt_packet"))).header.p_value is None


def test_scores_that_left_their_calibration_are_told(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    calibration = Calibration(
        scores=tuple(number / 1000 for number in range(100)),
        false_reject_rate=0.25,
        false_reject_bound=0.7,
    )
    judge = MemoryInUse(LENIENT, "v1", Thresholds(FAIL), calibration=calibration)
    line = bench.lines["bottles"].line.model_copy(update={"drift_every": 2})
    bench.lines["bottles"] = replace(bench.lines["bottles"], line=line, active=judge)
    headers = [only(bench.judge(grey(200, number))).header for number in range(120)]
    tested = [header.frame_id for header in headers if header.drift is not None]
    assert 40 <= len(tested) <= 60, "gaps of two or three"
    drifts = [header.drift for header in headers]
    [alarm] = [number for number, drift in enumerate(drifts) if drift and drift.alarm]
    raised = drifts[alarm]
    assert raised is not None
    assert raised.alarm == "higher"
    assert all(drift is None or drift.evidence >= 1 for drift in drifts[alarm:])
    assert "line bottles: scores run higher than when it was calibrated" in caplog.text
    again = replace(judge, version="v2")
    bench.lines["bottles"] = replace(bench.lines["bottles"], active=again)
    fresh = [only(bench.judge(grey(200, 120 + number))).header for number in range(3)]
    [evidence] = [each.drift.evidence for each in fresh if each.drift is not None][:1]
    assert evidence < 1, "a new memory begins anew"


@pytest.mark.parametrize(
    ("every", "calibrated", "tested"), [(1, True, True), (None, True, False), (1, False, False)]
)
def test_drift_needs_a_calibration_and_can_be_left_out(
    every: int | None, calibrated: bool, tested: bool
) -> None:
    bench = Bench()
    calibration = Calibration(
        scores=(0.1, 0.2, 0.3), false_reject_rate=0.25, false_reject_bound=0.7
    )
    judge = MemoryInUse(
        LENIENT, "v1", Thresholds(FAIL), calibration=calibration if calibrated else None
    )
    line = bench.lines["bottles"].line.model_copy(update={"drift_every": every})
    bench.lines["bottles"] = replace(bench.lines["bottles"], line=line, active=judge)
    assert (only(bench.judge(grey(50))).header.drift is not None) is tested
