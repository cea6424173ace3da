"""What is said about frames that were not inspected, and how often."""

from __future__ import annotations

import pytest

from contract.messages import Outcome
from contract.reasons import OTHERWISE, remedy
from flawline.station.complaints import AGAIN_S, FIRST_S, Complaints, Totals, complain
from tests.fakes import FakeClock

NO_REFERENCE = (Outcome.UNSCORED, "no_reference")


def test_trouble_is_told_soon_and_then_once_a_minute() -> None:
    clock = FakeClock()
    complaints = Complaints(clock)
    told = []
    for second in range(200):
        frames = Totals({NO_REFERENCE: 2 * second})
        told += [(second, said) for said in complaints.update({"bottles": frames})]
        clock.advance(1)
    seconds, sentences = zip(*told, strict=True)
    assert seconds == (FIRST_S, FIRST_S + AGAIN_S, FIRST_S + 2 * AGAIN_S, FIRST_S + 3 * AGAIN_S)
    assert sentences[0] == (
        "line bottles: 10 of 10 frames UNSCORED (no_reference) in the last 5 s: teach it: "
        "flawline enroll --line bottles --images FOLDER, or --from CAMERA"
    )
    assert sentences[1].startswith("line bottles: 120 of 120 frames UNSCORED (no_reference) in the")


def test_nothing_is_said_while_all_is_inspected_and_soon_again_after_it_was_not() -> None:
    clock = FakeClock()
    complaints = Complaints(clock)
    good = Totals({(Outcome.PASS, ""): 0})
    told = []
    for second in range(400):
        good[Outcome.PASS, ""] += 5
        if second in (100, 300):
            good[Outcome.LATE, "deadline_missed"] += 1
        told += [(second, said) for said in complaints.update({"a": good.copy()})]
        clock.advance(1)
    assert [second for second, _ in told] == [100, 300]
    assert "1 of " in told[0][1]
    assert "lower fps" in told[0][1]


def test_each_line_and_each_reason_has_a_sentence() -> None:
    frames = Totals({(Outcome.PASS, ""): 3, (Outcome.INVALID, ""): 1, NO_REFERENCE: 2})
    assert complain("a", frames, "in all") == [
        f"line a: 1 of 6 frames INVALID in all: {OTHERWISE}",
        f"line a: 2 of 6 frames UNSCORED (no_reference) in all: {remedy('no_reference', line='a')}",
    ]


@pytest.mark.parametrize("reason", ["", "never_heard_of"])
def test_a_reason_without_a_remedy_of_its_own_has_the_general_one(reason: str) -> None:
    assert remedy(reason, line="a") == OTHERWISE
