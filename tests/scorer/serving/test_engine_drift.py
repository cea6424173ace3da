"""A calibrated line tells how likely a score is, and when scores have left their calibration."""

from __future__ import annotations

from dataclasses import replace

import pytest

from scorer.references.conformal import Calibration
from scorer.serving.lines import MemoryInUse
from scorer.serving.verdicts import Thresholds
from tests.scorer.fake_model import (
    LENIENT,
)
from tests.scorer.serving.bench import FAIL, Bench, grey, only


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
