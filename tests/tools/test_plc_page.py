"""The program of the PLC page, run against register blocks as the PLC would get them."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from contract.reasons import Fault
from sinks.plc.registers import RegisterBlock, Status
from tests.tools.structured_text import Program
from tools.docs.__main__ import PAGES

SCAN_MS = 10
HEARTBEAT_MS = 150
RESULT_MS = 200
WARM_UP_MS = 500
PART_MS = 100
GOOD = Status.PASS | Status.ONLINE


def source() -> str:
    page = (PAGES / "plc.md").read_text("utf-8")
    found = re.search(r"```\n(FUNCTION_BLOCK FB_Flawline\n.*?)```", page, re.DOTALL)
    assert found is not None
    return found[1]


class Belt:
    """A PLC with its registers, and parts that pass the eye and then the gate."""

    def __init__(self, *, block: RegisterBlock | None = None) -> None:
        self.plc = Program(source())
        self.block = block or RegisterBlock(status=Status.ONLINE, fault=Fault.NONE)
        self.beats = True
        self.clock_ms = 0

    def pass_for(self, duration_ms: int, **inputs: bool) -> bool:
        """Let time pass; whether the gate was opened meanwhile."""
        opened = False
        for _ in range(duration_ms // SCAN_MS):
            self.plc.now_ms += SCAN_MS
            if self.beats and self.plc.now_ms % HEARTBEAT_MS == 0:
                self.block = replace(self.block, heartbeat=self.block.heartbeat + 1)
            self.plc.scan(
                awReg=self.block.words(),
                xPartAtEye=inputs.get("eye", False),
                xPartAtGate=inputs.get("gate", False),
                udiClock=(self.clock_ms + self.plc.now_ms) % (1 << 32) if self.clock_ms else 0,
            )
            opened = opened or bool(self.plc.values["xAccept"])
        return opened

    def tell(self, status: Status, *, results: int = 1, fault: Fault = Fault.NONE) -> None:
        """Flawline writes one result or several as one."""
        sequence = self.block.sequence + results
        self.block = replace(self.block, status=status, fault=fault, sequence=sequence)

    def warm_up(self) -> None:
        self.pass_for(WARM_UP_MS)

    def part(self, results: list[Status], *, eye: bool = True) -> bool:
        """One part from the eye to the gate, with these results; whether it was let through."""
        opened = self.pass_for(PART_MS, eye=eye)
        for status in results:
            self.tell(status)
            opened = self.pass_for(RESULT_MS) or opened
        assert not opened, "the gate was open without a part at it"
        return self.pass_for(PART_MS, gate=True)


def test_bits_and_places_are_those_of_the_registers() -> None:
    values = Program(source()).values
    for bit in (Status.PASS, Status.FAIL, Status.FAULT, Status.ONLINE):
        assert values[f"{bit.name}_BIT"] == bit
    block = RegisterBlock(
        status=Status.PASS, fault=Fault.CAMERA, deadline=0x1_0002, heartbeat=77, sequence=88
    )
    words = block.words()
    found = [words[place] for place in (0, 1, 8, 9, 10, 11)]
    assert found == [Status.PASS, Fault.CAMERA, 1, 2, 77, 88]
    assert len(words) == 12


def test_a_good_part_is_accepted_and_the_gate_closes_behind_it() -> None:
    belt = Belt()
    belt.warm_up()
    assert belt.part([GOOD] * 12)
    assert not belt.pass_for(1000)
    assert belt.part([GOOD] * 12)


@pytest.mark.parametrize(
    "bad",
    [
        Status.FAIL | Status.ONLINE,
        Status.FAIL | Status.REVIEW | Status.ONLINE,
        Status.ONLINE,
        Status.FAULT,
        Status(0),
        Status.PASS | Status.FAIL | Status.ONLINE,
        Status.PASS,
        GOOD | Status.FAULT,
    ],
    ids=lambda status: status.name or "none",
)
def test_one_result_that_is_not_a_clean_pass_rejects_the_part_and_not_the_next(bad: Status) -> None:
    belt = Belt()
    belt.warm_up()
    assert not belt.part([GOOD] * 6 + [bad] + [GOOD] * 6)
    assert belt.part([GOOD] * 12)


@pytest.mark.parametrize("epoch_ms", [1_790_000_000_000, (1 << 40) - 3000], ids=["now", "wraps"])
@pytest.mark.parametrize(("left_ms", "accepted"), [(500, True), (-20, False)])
def test_a_pass_that_arrives_after_its_deadline_rejects_the_part(
    epoch_ms: int, left_ms: int, accepted: bool
) -> None:
    belt = Belt()
    belt.clock_ms = epoch_ms
    belt.warm_up()
    opened = belt.pass_for(PART_MS, eye=True)
    for _ in range(12):
        now_ms = belt.clock_ms + belt.plc.now_ms
        belt.block = replace(belt.block, deadline=now_ms + left_ms)
        belt.tell(GOOD)
        opened = belt.pass_for(RESULT_MS) or opened
    assert not opened
    assert belt.pass_for(PART_MS, gate=True) is accepted


def test_missing_results_reject() -> None:
    belt = Belt()
    belt.warm_up()
    assert not belt.part([GOOD] * 9)
    assert not belt.part([])


def test_merged_passes_count_each() -> None:
    belt = Belt()
    belt.warm_up()
    belt.pass_for(PART_MS, eye=True)
    for _ in range(4):
        belt.tell(GOOD, results=3)
        belt.pass_for(RESULT_MS)
    assert belt.pass_for(PART_MS, gate=True)


def test_registers_that_stand_still_reject_whatever_they_hold() -> None:
    belt = Belt()
    belt.warm_up()
    belt.pass_for(PART_MS, eye=True)
    for _ in range(12):
        belt.tell(GOOD)
        belt.pass_for(RESULT_MS)
    belt.beats = False
    belt.pass_for(700)
    assert not belt.plc.values["xTrusted"]
    assert not belt.pass_for(PART_MS, gate=True)


def test_what_the_registers_held_when_the_plc_started_proves_nothing() -> None:
    held = RegisterBlock(status=GOOD, fault=Fault.NONE, heartbeat=9, sequence=40)
    belt = Belt(block=held)
    belt.beats = False
    assert not belt.part([])
    assert not belt.plc.values["xTrusted"]


def test_a_restart_of_flawline_rejects_the_part_at_hand_and_then_goes_on() -> None:
    belt = Belt()
    belt.warm_up()
    belt.pass_for(PART_MS, eye=True)
    for _ in range(12):
        belt.tell(GOOD)
        belt.pass_for(RESULT_MS)
    belt.block = RegisterBlock()
    belt.pass_for(RESULT_MS)
    belt.block = RegisterBlock(status=GOOD, fault=Fault.NONE, sequence=1)
    belt.pass_for(RESULT_MS)
    assert not belt.pass_for(PART_MS, gate=True)
    assert belt.part([GOOD] * 12)


def test_a_restart_that_the_plc_did_not_see_is_no_run_of_results() -> None:
    belt = Belt()
    belt.warm_up()
    assert belt.part([GOOD] * 12)
    belt.pass_for(PART_MS, eye=True)
    for _ in range(11):
        belt.tell(GOOD)
        belt.pass_for(RESULT_MS)
    belt.block = RegisterBlock(status=GOOD, fault=Fault.NONE, heartbeat=3, sequence=1)
    belt.pass_for(RESULT_MS)
    assert not belt.pass_for(PART_MS, gate=True)


def test_a_second_part_that_the_eye_did_not_see_is_rejected() -> None:
    belt = Belt()
    belt.warm_up()
    assert belt.part([GOOD] * 12)
    assert not belt.part([GOOD] * 12, eye=False)


def test_counters_may_wrap() -> None:
    belt = Belt(
        block=RegisterBlock(status=Status.ONLINE, fault=Fault.NONE, heartbeat=65530, sequence=65530)
    )
    belt.warm_up()
    assert belt.part([GOOD] * 12)
    assert belt.part([GOOD] * 12)
