"""What the witness makes of writes whose story is known."""

from __future__ import annotations

import pytest

from contract.clock import NS_PER_MS, NS_PER_S
from contract.messages import Outcome
from sinks.plc.registers import NO_BITS, OUTCOME_CODES, RegisterBlock, Status
from sinks.store.event import Event
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

NOT_BOOKED = "frame 7 was told as PASS and is not booked"
DAY_NS = 1_800_000_000 * NS_PER_S
GOOD = Status.PASS | Status.ONLINE
BAD = Status.FAIL | Status.ONLINE
NONE_SO_FAR, PASSED = OUTCOME_CODES[None], OUTCOME_CODES[Outcome.PASS]


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
    seen_ns = at_ns(at_s)
    header = verdict(frame_id, outcome, captured_ns=seen_ns, deadline_ns=at_ns(until_s))
    return Event.of(header, arrived_ns=seen_ns, evidence=None)


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


def test_a_pass_that_is_booked_otherwise_or_not_at_all_is_named() -> None:
    writes = [write(0.0, NO_BITS, sequence=1), write(0.2, sequence=2)]
    assert told_otherwise(writes, [booked(7)], STREAM.camera) == []
    for outcome in set(Outcome) - {Outcome.PASS}:
        assert told_otherwise(writes, [booked(7, outcome)], STREAM.camera) == [
            f"frame 7 was told as PASS and is booked as {outcome}"
        ]
    assert told_otherwise(writes, [booked(6)], STREAM.camera) == [NOT_BOOKED]


def test_a_frame_of_another_epoch_bears_nothing_out() -> None:
    writes = [write(0.0, NO_BITS, sequence=1), write(0.2, sequence=2)]
    earlier, later = booked(7, at_s=-0.8, until_s=0.2), booked(7, at_s=0.4, until_s=1.4)
    assert told_otherwise(writes, [earlier], STREAM.camera) == [NOT_BOOKED]
    assert told_otherwise(writes, [booked(6), later], STREAM.camera) == [NOT_BOOKED]


THREE_AS_ONE = [write(0.0, NO_BITS, sequence=1, frame_id=4), write(0.5, sequence=4)]
"""Frames 5, 6 and 7: the block names the latest, with the deadline of the first."""


def book_of(spoiled: int | None = None) -> list[Event]:
    """Frames 4 to 8 as the station of `THREE_AS_ONE` should book them, but for one."""
    good = (5, 6, 7)
    return [
        booked(
            frame_id,
            Outcome.PASS if frame_id in good and frame_id != spoiled else Outcome.LATE,
            at_s=0.1 * (frame_id - 5),
            until_s=1.0 + 0.1 * (frame_id - 5),
        )
        for frame_id in range(4, 9)
    ]


def again(at_s: float) -> Write:
    """A heartbeat that shows what stands in `THREE_AS_ONE`."""
    return write(at_s, sequence=4)


@pytest.mark.parametrize(
    "writes",
    [THREE_AS_ONE, [*THREE_AS_ONE, again(0.6)], [again(0.6)], [again(0.6), again(0.7)]],
    ids=["told", "told and shown again", "told before", "told before and shown again"],
)
def test_one_write_of_several_results_speaks_of_each(writes: list[Write]) -> None:
    """Also where it is the first that is known of, or shown again: how many, it says itself."""
    assert told_otherwise(writes, book_of(), STREAM.camera) == []
    for spoiled in (5, 6, 7):
        assert told_otherwise(writes, book_of(spoiled), STREAM.camera) == [
            f"frame {spoiled} was told as PASS and is booked as LATE"
        ]
    for lost in (5, 7):
        rest = [event for event in book_of() if event.frame_id != lost]
        assert told_otherwise(writes, rest, STREAM.camera) == [NOT_BOOKED]


def test_one_write_of_several_results_counts_them() -> None:
    rest = [event for event in book_of() if event.frame_id != 6]
    assert told_otherwise(THREE_AS_ONE, rest, STREAM.camera) == [
        "frame 7 ends 3 that were told as PASS; 2 are booked"
    ]


def test_what_got_no_answer_may_be_told_again_with_what_came_meanwhile() -> None:
    """The sequence says one more, of two in the book."""
    writes = [
        write(0.0, NO_BITS, sequence=1, frame_id=5),
        write(0.2, sequence=2, frame_id=6),
        write(0.4, sequence=3, frame_id=7),
    ]
    book = [booked(6), booked(7, at_s=0.1, until_s=1.1)]
    assert told_otherwise(writes, book, STREAM.camera) == []


def test_a_pass_that_is_shown_by_a_later_write_of_the_same_result_must_be_booked() -> None:
    writes = [write(0.0, NO_BITS, sequence=1, frame_id=6), write(0.2, NO_BITS, sequence=2)]
    writes.append(write(0.3, sequence=2))
    assert told_otherwise(writes, [booked(7, Outcome.LATE)], STREAM.camera) == [
        "frame 7 was told as PASS and is booked as LATE"
    ]
    assert told_otherwise(writes, [], STREAM.camera) == [NOT_BOOKED]
