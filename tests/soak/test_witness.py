"""What the witness makes of writes whose story is known."""

from __future__ import annotations

import pytest

from contract.clock import NS_PER_S
from contract.messages import Outcome
from sinks.plc.registers import NO_BITS, OUTCOME_CODES, RegisterBlock, Status
from sinks.store.event import NS_PER_MS, Event
from tests.plc import Write
from tests.sinks.kit import STREAM, verdict
from tests.soak.witness import (
    deadline_ns,
    gap_s,
    num_passes,
    overdue_s,
    results,
    safe_after_s,
    told_otherwise,
)

DAY_NS = 1_800_000_000 * NS_PER_S
GOOD = Status.PASS | Status.ONLINE
BAD = Status.FAIL | Status.ONLINE
NONE_SO_FAR, PASSED = OUTCOME_CODES[None], OUTCOME_CODES[Outcome.PASS]
CAMERAS = [STREAM.camera]


def at_ns(seconds: float) -> int:
    return DAY_NS + round(seconds * NS_PER_S)


def write(
    at_s: float,
    status: Status = GOOD,
    *,
    sequence: int = 1,
    until_s: float | None = 1.0,
    outcome: int = PASSED,
    frame_id: int = 7,
) -> Write:
    until_ms = 0 if until_s is None else at_ns(until_s) // NS_PER_MS % (1 << 32)
    block = RegisterBlock(
        status=status,
        outcome=outcome,
        frame_id=frame_id,
        camera=0,
        deadline=until_ms,
        sequence=sequence,
    )
    return Write(at_ns(at_s), block)


def booked(
    frame_id: int, outcome: Outcome = Outcome.PASS, *, at_s: float = 0.0, until_s: float = 1.0
) -> Event:
    header = verdict(frame_id, outcome, deadline_ns=at_ns(until_s))
    return Event.of(header, arrived_ns=at_ns(at_s), evidence=None)


def restart(at_s: float) -> Write:
    """The first write of sinks that started again."""
    return write(at_s, NO_BITS, sequence=0, outcome=NONE_SO_FAR)


@pytest.mark.parametrize(
    ("writes", "expected"),
    [
        ([], 0.0),
        ([write(0.1), write(0.9, NO_BITS)], 0.0),
        ([write(0.1), write(0.9), write(1.2, NO_BITS)], 0.2),
        ([write(0.1), write(1.2, sequence=2, until_s=2.0), write(1.9, NO_BITS)], 0.2),
        ([write(0.1, BAD), write(5.0, NO_BITS)], 0.0),
        ([write(0.1, until_s=None), write(5.0, NO_BITS)], 0.0),
    ],
)
def test_a_pass_is_overdue_from_its_deadline_until_the_write_without_it(
    writes: list[Write], expected: float
) -> None:
    assert max(0.0, overdue_s(writes)) == pytest.approx(expected, abs=1e-6)


def test_the_deadline_of_a_write_is_the_nearest_that_has_its_bits() -> None:
    wrap_ms = (DAY_NS // NS_PER_MS >> 32) + 1 << 32
    block = RegisterBlock(deadline=500)
    for at_ms in (wrap_ms - 1000, wrap_ms + 1000):
        assert deadline_ns(Write(at_ms * NS_PER_MS, block)) == (wrap_ms + 500) * NS_PER_MS


def test_safe_is_neither_pass_nor_online() -> None:
    online = write(0.3, Status.ONLINE)
    off = write(0.5, Status.FAULT)
    assert safe_after_s([write(0.0, NO_BITS), write(0.1), online, off], at_ns(0.1)) == 0.4
    assert safe_after_s([write(0.0, NO_BITS), write(0.1), online], at_ns(0.1)) is None


def test_sinks_that_start_again_count_from_nothing() -> None:
    writes = [
        write(0.0, sequence=41),
        write(0.2, sequence=42),
        write(0.4, sequence=42),
        restart(3.0),
        write(3.5, sequence=2),
        write(3.6, sequence=2),
        write(3.7, BAD, sequence=5),
    ]
    assert [count for _, count in results(writes)] == [1, 2, 3]
    assert num_passes(writes) == 3
    assert gap_s(writes, at_ns(1.0)) == pytest.approx(3.3)
    assert gap_s(writes, at_ns(3.6)) == pytest.approx(0.2), "what was before is not counted"


def test_a_pass_that_is_booked_as_pass_or_review_is_borne_out() -> None:
    writes = [write(0.0, sequence=1, frame_id=6, outcome=NONE_SO_FAR), write(0.2, sequence=2)]
    for outcome in (Outcome.PASS, Outcome.REVIEW):
        assert told_otherwise(writes[1:], [booked(7, outcome)], CAMERAS) == []


def test_a_pass_that_is_booked_otherwise_or_not_at_all_is_named() -> None:
    writes = [write(0.0, NO_BITS, sequence=1), write(0.2, sequence=2)]
    late = booked(7, Outcome.LATE)
    assert told_otherwise(writes, [late], CAMERAS) == [
        "frame 7 was told as PASS and is booked as LATE"
    ]
    of_another_epoch = booked(7, until_s=-60.0)
    assert told_otherwise(writes, [of_another_epoch], CAMERAS) == [
        "frame 7 was told as PASS and is not booked"
    ]


def test_a_write_speaks_of_all_results_that_it_tells() -> None:
    """Three in one write: it names the latest, with the deadline of the first."""
    writes = [write(0.0, NO_BITS, sequence=1, frame_id=4), write(0.5, sequence=4)]
    book = [
        booked(4, Outcome.FAIL, at_s=0.0, until_s=0.9),
        booked(5, at_s=0.1, until_s=1.0),
        booked(6, Outcome.LATE, at_s=0.2, until_s=1.1),
        booked(7, at_s=0.3, until_s=1.2),
        booked(8, Outcome.FAIL, at_s=0.4, until_s=1.3),
    ]
    assert told_otherwise(writes, book, CAMERAS) == [
        "frame 6 was told as PASS and is booked as LATE"
    ]


def test_what_stood_before_may_stand_for_several_and_must_be_booked_all_the_same() -> None:
    """It has the deadline of the first of them; how many they are was said earlier."""
    writes = [write(0.0, until_s=0.7), write(0.15, until_s=0.7)]
    assert told_otherwise(writes, [booked(7, until_s=0.9)], CAMERAS) == []
    assert told_otherwise(writes, [booked(6)], CAMERAS) == [
        "frame 7 was told as PASS and is not booked"
    ]


def test_a_pass_that_is_shown_by_a_later_write_of_the_same_result_must_be_booked() -> None:
    writes = [write(0.0, NO_BITS, sequence=1, frame_id=6), write(0.2, NO_BITS, sequence=2)]
    writes.append(write(0.3, sequence=2))
    assert told_otherwise(writes, [booked(7, Outcome.LATE)], CAMERAS) == [
        "frame 7 was told as PASS and is booked as LATE"
    ]
