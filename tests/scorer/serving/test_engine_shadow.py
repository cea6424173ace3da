"""A shadow memory judges beside the active one, without a say."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from contract.clock import NS_PER_S
from contract.messages import Outcome
from scorer.serving.batch import MAX_ERRORS_IN_A_ROW
from scorer.serving.lines import MemoryInUse
from scorer.serving.verdicts import Thresholds
from tests.scorer.fake_model import (
    BROKEN,
    LENIENT,
    STRICT,
)
from tests.scorer.serving.bench import FAIL, Bench, grey, only


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


def test_another_shadow_is_counted_anew() -> None:
    bench = Bench()
    for version in ("v2", "v3"):
        shadow = MemoryInUse(STRICT, version, Thresholds(FAIL))
        bench.lines["bottles"] = replace(bench.lines["bottles"], shadow=shadow)
        bench.judge(grey(50))
    assert bench.engine.shadows.reports()["bottles"].frames == 1
    assert bench.engine.shadows.reports()["bottles"].version == "v3"
