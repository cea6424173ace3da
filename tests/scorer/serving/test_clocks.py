"""Whether the deadlines of frames are trusted, by their stamps."""

from __future__ import annotations

import pytest

from contract.clock import NS_PER_S
from contract.messages import Outcome
from contract.offset import WINDOW_S
from tests.scorer.frames import CAPTURED_NS
from tests.scorer.serving.bench import Bench, grey, only

DEADLINE_S = 1.0


def judged(
    bench: Bench, frame_id: int, *, ahead_s: float, age_s: float
) -> tuple[Outcome, str | None]:
    """What becomes of a good part on a frame so old, of a camera whose clock is so far ahead."""
    captured_ns = bench.clock.wall_ns() + round((ahead_s - age_s) * NS_PER_S)
    sent = grey(
        50,
        frame_id,
        captured_ns=captured_ns,
        decoded_ns=captured_ns,
        deadline_ns=captured_ns + round(DEADLINE_S * NS_PER_S),
    )
    header = only(bench.judge(sent)).header
    return header.outcome, header.reason


def test_a_frame_from_the_future_is_invalid_and_never_scored() -> None:
    bench = Bench()
    assert judged(bench, 0, ahead_s=60.0, age_s=9.0) == (Outcome.INVALID, "clock")
    assert bench.model.batches == []


def test_one_stamp_in_the_future_spoils_those_that_seem_to_be_past() -> None:
    bench = Bench()
    assert judged(bench, 0, ahead_s=0.7, age_s=0.1) == (Outcome.INVALID, "clock")
    assert judged(bench, 1, ahead_s=0.7, age_s=1.5) == (Outcome.INVALID, "clock")


def test_a_clock_that_was_put_right_is_trusted_after_a_while() -> None:
    bench = Bench()
    judged(bench, 0, ahead_s=60.0, age_s=0.1)
    bench.clock.advance(WINDOW_S + 1)
    assert judged(bench, 1, ahead_s=0.0, age_s=0.1) == (Outcome.PASS, None)


@pytest.mark.parametrize("ahead_s", [0.0, 0.05])
def test_what_hosts_may_differ_by_is_no_matter(ahead_s: float) -> None:
    assert judged(Bench(), 0, ahead_s=ahead_s, age_s=0.0) == (Outcome.PASS, None)


def test_one_camera_does_not_spoil_another() -> None:
    bench = Bench()
    judged(bench, 0, ahead_s=60.0, age_s=0.0)
    deadline_ns = bench.clock.wall_ns() + NS_PER_S
    other = only(bench.judge(grey(50, line="cans", deadline_ns=deadline_ns))).header
    assert other.outcome is not Outcome.INVALID


def test_without_a_deadline_a_frame_is_judged_whatever_the_clock() -> None:
    captured_ns = CAPTURED_NS + 60 * NS_PER_S
    sent = grey(50, captured_ns=captured_ns, decoded_ns=captured_ns)
    assert only(Bench().judge(sent)).header.outcome is Outcome.PASS


def test_damage_keeps_its_own_reason() -> None:
    captured_ns = CAPTURED_NS + 60 * NS_PER_S
    sent = grey(50, captured_ns=captured_ns, deadline_ns=captured_ns, taint="corrupt")
    assert only(Bench().judge(sent)).header.reason == "corrupt"
