"""What the PLC reads: the block, and results merged fail-safe."""

from __future__ import annotations

import math
import struct
from functools import reduce
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.config_sinks import MODBUS_WORDS
from contract.messages import Outcome
from contract.reasons import FAULTS, Fault
from sinks.arrival import Arrival
from sinks.plc import registers
from sinks.plc.indication import Indication
from sinks.plc.registers import NO_BITS, NUM_WORDS, RegisterBlock, Status
from tests.sinks.kit import verdict

OUTCOMES = st.sampled_from(Outcome)


def _arrival(outcome: Outcome, frame_id: int = 0, **fields: Any) -> Arrival:
    """What came at time 0."""
    return Arrival(b"", verdict(frame_id, outcome, **fields), outcome, 0, first=True)


def _result(outcome: Outcome, frame_id: int = 0, *, deadline_ns: int | None = None) -> Indication:
    arrival = _arrival(outcome, frame_id, deadline_ns=deadline_ns).due(2.0)
    return Indication.of(arrival, camera=0, review_as="FAIL")


def test_the_block_is_laid_out_as_documented() -> None:
    block = RegisterBlock(
        status=Status.FAIL | Status.ONLINE,
        fault=Fault.NONE,
        score=0.75,
        outcome=2,
        frame_id=0x1_0002_0003,
        camera=1,
        deadline=0x7_0008_0009,
        heartbeat=0x1_0004,
        sequence=0x1_0005,
    )
    words = block.words()
    assert len(words) == NUM_WORDS == 12
    assert words[0] == 0b10010
    assert words[2:4] == list(struct.unpack(">2H", struct.pack(">f", 0.75)))
    assert words[4:] == [2, 2, 3, 1, 8, 9, 4, 5]
    assert RegisterBlock.of_words(words).score == 0.75


def test_no_score_is_not_a_number() -> None:
    assert math.isnan(RegisterBlock.of_words(RegisterBlock().words()).score)


def test_the_table_in_the_docstring_names_every_register() -> None:
    assert registers.__doc__ is not None
    rows = [line.split() for line in registers.__doc__.splitlines() if line.startswith("+")]
    assert [row[2] for row in rows] == [register.name for register in registers.REGISTERS]
    starts = [int(row[0]) for row in rows] + [NUM_WORDS]
    assert [b - a for a, b in pairwise(starts)] == [int(row[1]) for row in rows]


def test_every_fault_has_a_meaning() -> None:
    assert set(FAULTS) == set(Fault)


@given(
    st.lists(st.tuples(OUTCOMES, st.integers(0, 20)), min_size=1, max_size=8), st.integers(0, 25)
)
def test_merged_results_are_fail_safe(told: list[tuple[Outcome, int]], now_ns: int) -> None:
    results = [_result(o, n, deadline_ns=until) for n, (o, until) in enumerate(told)]
    merged = reduce(Indication.then, results)
    bits = merged.status(now_ns)
    assert merged.count == len(told)
    bad = (Outcome.FAIL, Outcome.REVIEW)
    assert bool(bits & Status.FAIL) == any(o in bad and now_ns <= t for o, t in told)
    assert bool(bits & Status.PASS) == all(o is Outcome.PASS and now_ns <= t for o, t in told)
    assert (merged.fault(now_ns) is Fault.NONE) == bool(bits)


@given(st.lists(OUTCOMES, min_size=1, max_size=6), st.lists(OUTCOMES, min_size=1, max_size=6))
def test_merging_in_two_steps_is_merging_in_one(
    first: list[Outcome], second: list[Outcome]
) -> None:
    results = [_result(outcome, n) for n, outcome in enumerate(first + second)]
    left, right = results[: len(first)], results[len(first) :]
    halves = reduce(Indication.then, left).then(reduce(Indication.then, right))
    assert repr(halves) == repr(reduce(Indication.then, results))


@pytest.mark.parametrize(("review_as", "bit"), [("FAIL", Status.FAIL), ("PASS", Status.PASS)])
def test_review_is_told_as_configured(review_as: str, bit: Status) -> None:
    arrival = _arrival(Outcome.REVIEW, anomaly_score=0.4).due(2.0)
    result = Indication.of(arrival, camera=0, review_as="PASS" if review_as == "PASS" else "FAIL")
    assert result.status(1) == bit | Status.REVIEW


@pytest.mark.parametrize("deadline", [1 << 32, 5 << 32])
def test_a_deadline_is_never_told_as_none(deadline: int) -> None:
    assert RegisterBlock.of_words(RegisterBlock(deadline=deadline).words()).deadline == 1


def test_the_worst_is_shown() -> None:
    merged = _result(Outcome.PASS, 1).then(_result(Outcome.FAIL, 2)).then(_result(Outcome.LATE, 3))
    assert (merged.outcome, merged.frame_id) == (Outcome.FAIL, 2)
    merged = _result(Outcome.UNSCORED, 1).then(_result(Outcome.PASS, 2))
    assert (merged.outcome, merged.frame_id) == (Outcome.UNSCORED, 1)
    assert merged.status(0) == NO_BITS
    assert merged.fault(0) is Fault.RESULT_UNSCORED


def test_configuration_keeps_two_blocks_as_far_apart_as_one_is_long() -> None:
    assert MODBUS_WORDS == NUM_WORDS
