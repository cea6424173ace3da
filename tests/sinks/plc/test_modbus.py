"""The PLC sink against a real Modbus TCP server."""

from __future__ import annotations

import math
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from pymodbus.constants import ExcCodes

from contract.clock import NS_PER_S, SystemClock
from contract.config import Line
from contract.config_sinks import Modbus
from contract.messages import Outcome, VerdictMessage
from contract.reasons import Fault, Reason
from contract.telling import Told
from sinks.arrival import Arrival
from sinks.fanout import Fanout
from sinks.metrics.metrics import Metrics
from sinks.plc.modbus import Plc
from sinks.plc.plcs import Plcs
from sinks.plc.registers import NO_BITS, UNKNOWN_CAMERA, RegisterBlock, Status
from tests.plc import PlcServer, free_port, plc_server
from tests.sinks.kit import (
    STREAM,
    arrival,
    camera,
    config_for,
    metrics,
    scorer_alive,
    until,
    value_of,
    verdict,
)

GOOD = Status.ONLINE | Status.PASS
BAD = Status.ONLINE | Status.FAIL


@dataclass
class Gate:
    """A PLC sink at work."""

    sink: Plc
    plcs: Plcs
    noted: list[Arrival]
    metrics: Metrics

    def alive(self) -> None:
        self.sink.observe(scorer_alive())
        self.sink.observe(camera(0))

    def tell(self, *headers: VerdictMessage) -> None:
        for header in headers:
            self.plcs.tell(arrival(header))

    def concluded(self, count: int = 1) -> list[Arrival]:
        """The next verdicts that may be booked."""
        return _concluded(self.plcs, count)

    def errors(self, reason: str) -> float:
        return value_of(self.metrics, "sink_errors_total", sink="gate", reason=reason)


@contextmanager
def gate(
    port: int,
    *,
    review_as: str = "FAIL",
    note: Callable[[Arrival], None] | None = None,
    step_s: float = 0.0,
    **fields: Any,
) -> Iterator[Gate]:
    settings = Modbus(name="gate", line="belt", host="127.0.0.1", port=port, **fields)
    numbers = metrics()
    noted: list[Arrival] = []
    sink = Plc(
        settings,
        _line(review_as),
        note=note or noted.append,
        clock_step_s=lambda: step_s,
        clock=SystemClock(),
        metrics=numbers,
    )
    fanout = Fanout([], numbers, workers=[sink])
    fanout.start()
    try:
        yield Gate(sink, Plcs([sink]), noted, numbers)
    finally:
        fanout.stop(10)


def _line(review_as: str) -> Line:
    return config_for(Path("unused"), line={"review_as": review_as}).lines[0]


def _settled(plc: PlcServer, **fields: Any) -> RegisterBlock:
    """The block once it has these values."""
    until(lambda: all(getattr(plc.block, name) == value for name, value in fields.items()))
    return plc.block


def test_results_arrive_with_sequence_and_frame() -> None:
    with plc_server() as plc, gate(plc.port) as it:
        it.alive()
        _settled(plc, status=Status.ONLINE)
        it.tell(verdict(41))
        block = _settled(plc, sequence=1)
        assert (block.status, block.fault, block.outcome) == (GOOD, Fault.NONE, 1)
        assert (block.frame_id, block.camera) == (41, 0)
        assert block.score == 0.25
        it.tell(verdict(42, Outcome.FAIL, anomaly_score=0.75))
        block = _settled(plc, sequence=2)
        assert (block.status, block.outcome, block.score) == (BAD, 2, 0.75)
        it.tell(verdict(43, Outcome.UNSCORED))
        block = _settled(plc, sequence=3)
        assert (block.status, block.fault) == (Status.ONLINE, Fault.RESULT_UNSCORED)
        assert math.isnan(block.score)


def test_review_is_a_reject_unless_configured() -> None:
    for review_as, bit in (("FAIL", Status.FAIL), ("PASS", Status.PASS)):
        with plc_server() as plc, gate(plc.port, review_as=review_as) as it:
            it.alive()
            _settled(plc, status=Status.ONLINE)
            it.tell(verdict(0, Outcome.REVIEW, anomaly_score=0.4))
            assert _settled(plc, sequence=1).status == Status.ONLINE | Status.REVIEW | bit


def test_other_lines_are_not_told() -> None:
    with plc_server() as plc, gate(plc.port) as it:
        it.alive()
        assert not it.plcs.tell(arrival(verdict(0, stream=STREAM._replace(line="other"))))
        it.tell(verdict(1), verdict(2, stream=STREAM._replace(camera="unknown")))
        block = _settled(plc, sequence=2)
        assert block.camera == UNKNOWN_CAMERA


def test_the_heartbeat_counts_while_healthy_and_freezes_when_the_line_is_silent() -> None:
    with plc_server() as plc, gate(plc.port, heartbeat_s=0.05, silence_s=0.4) as it:
        until(lambda: plc.blocks)
        it.alive()
        it.tell(verdict(0))
        _settled(plc, status=GOOD)
        until(lambda: plc.block.heartbeat >= 3)
        block = _settled(plc, fault=Fault.SCORER)
        assert block.status == Status.FAULT
        assert block.outcome == 1
        frozen = len(plc.blocks)
        until(lambda: len(plc.blocks) >= frozen + 4)
        assert {b.heartbeat for b in plc.blocks[frozen:]} == {block.heartbeat}
        assert all(b.heartbeat - a.heartbeat in (0, 1) for a, b in pairwise(plc.blocks))
        it.alive()
        _settled(plc, heartbeat=block.heartbeat + 1)


def test_useless_results_in_a_row_raise_the_fault() -> None:
    with plc_server() as plc, gate(plc.port, fault_after_late=3) as it:
        it.alive()
        _settled(plc, status=Status.ONLINE)
        for frame_id in range(3):
            it.tell(verdict(frame_id, deadline_ns=1))
            block = _settled(plc, sequence=frame_id + 1)
            assert block.outcome == 5
        _settled(plc, status=Status.FAULT, fault=Fault.LATE)
        it.tell(verdict(3))
        _settled(plc, status=GOOD, fault=Fault.NONE)


def test_bits_are_cleared_when_the_deadline_has_passed() -> None:
    with plc_server() as plc, gate(plc.port, heartbeat_s=0.05) as it:
        it.alive()
        _settled(plc, status=Status.ONLINE)
        header = verdict(0)
        it.tell(verdict(0, deadline_ns=header.times.captured_ns + NS_PER_S // 2))
        assert _settled(plc, sequence=1).status == GOOD
        block = _settled(plc, status=Status.ONLINE)
        assert (block.outcome, block.fault, block.sequence) == (1, Fault.NONE, 1)


def test_what_piles_up_while_the_plc_is_away_is_merged_and_counted() -> None:
    port = free_port()
    with gate(port) as it:
        until(lambda: it.errors("connection") > 0)
        it.alive()
        it.tell(verdict(0), verdict(1, Outcome.FAIL), verdict(2))
        assert it.sink.pending() == 3
        with plc_server(port) as plc:
            until(lambda: plc.blocks)
            it.alive()
            block = _settled(plc, sequence=3)
            assert (block.frame_id, block.outcome) == (1, 2)
            _settled(plc, status=BAD)
        errors = it.errors("connection")
        until(lambda: it.errors("connection") > errors)
        now = verdict(3)
        it.tell(verdict(3, deadline_ns=now.times.captured_ns + NS_PER_S // 10))
        until(lambda: SystemClock().wall_ns() > now.times.captured_ns + NS_PER_S // 5)
        with plc_server(port) as plc:
            it.alive()
            block = _settled(plc, sequence=4)
            it.alive()
            assert block.outcome == 5
            assert block.status & (Status.PASS | Status.FAIL) == NO_BITS


def test_registers_that_the_plc_refuses_are_counted() -> None:
    with plc_server() as plc, gate(plc.port, base_register=195) as it:
        until(lambda: it.errors("refused") >= 2)
        assert plc.blocks == []


def test_the_stop_is_told() -> None:
    with plc_server(base_register=30) as plc:
        with gate(plc.port, base_register=30) as it:
            it.alive()
            it.tell(verdict(0))
            _settled(plc, status=GOOD)
        assert (plc.block.status, plc.block.fault) == (NO_BITS, Fault.STOPPED)
        assert plc.block.sequence == 1


def _concluded(plcs: Plcs, count: int = 1) -> list[Arrival]:
    found: list[Arrival] = []

    def enough() -> bool:
        found.extend(plcs.concluded())
        return len(found) >= count

    until(enough)
    return found


def _told(arrivals: list[Arrival]) -> list[tuple[int, Outcome, str | None, Told]]:
    return [
        (each.header.frame_id, each.header.outcome, each.header.reason, each.telling.told)
        for each in arrivals
        if each.telling
    ]


def test_what_was_told_is_handed_back_and_was_noted_before() -> None:
    with plc_server() as plc, gate(plc.port) as it:
        it.alive()
        _settled(plc, status=Status.ONLINE)
        for frame_id, outcome in enumerate((Outcome.PASS, Outcome.FAIL, Outcome.INVALID)):
            it.tell(verdict(frame_id, outcome, deadline_ns=_in(60)))
            [told] = it.concluded()
            said = {Outcome.INVALID: Told.NOTHING}.get(outcome) or Told(outcome.value)
            assert _told([told])[0][::3] == (frame_id, said)
            assert told.header.outcome is outcome
            assert told.telling
            assert told.telling.told_ns
            assert plc.block.frame_id == frame_id
        assert _told(it.noted)[0] == (0, Outcome.PASS, None, Told.UNKNOWN)
        assert it.plcs.idle


def test_a_verdict_that_the_plc_cannot_be_told_in_time_is_late() -> None:
    with gate(free_port()) as it:
        it.tell(verdict(0, deadline_ns=_in(0.2)), verdict(1, Outcome.INVALID, deadline_ns=_in(0.2)))
        assert it.plcs.concluded() == []
        assert not it.plcs.idle
        assert _told(it.concluded(2)) == [
            (0, Outcome.LATE, Reason.NOT_TOLD, Told.UNTOLD),
            (1, Outcome.INVALID, "test", Told.UNTOLD),
        ]
        assert it.noted == []


def test_a_result_that_comes_while_the_line_has_a_fault_never_shows_its_bit() -> None:
    with plc_server() as plc, gate(plc.port) as it:
        it.tell(verdict(0, deadline_ns=_in(60)))
        assert _told(it.concluded()) == [(0, Outcome.LATE, Reason.WITHHELD, Told.NOTHING)]
        assert plc.block.outcome == 5
        it.alive()
        block = _settled(plc, status=Status.ONLINE)
        assert (block.fault, block.sequence) == (Fault.RESULT_WITHHELD, 1)


def test_an_answer_that_does_not_come_leaves_open_what_was_told() -> None:
    """The PLC takes the write and hangs: it may act on it."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        with gate(mute.getsockname()[1], timeout_s=0.1, silence_s=60) as it:
            it.alive()
            it.tell(verdict(0, deadline_ns=_in(3)))
            until(lambda: it.noted)
            assert _told(it.concluded()) == [(0, Outcome.PASS, None, Told.UNKNOWN)]
            assert _told(it.noted) == [(0, Outcome.PASS, None, Told.UNKNOWN)]


@pytest.mark.parametrize(
    ("answer", "takes_it"),
    [
        (ExcCodes.DEVICE_FAILURE, True),
        (ExcCodes.ACKNOWLEDGE, True),
        (ExcCodes.GATEWAY_NO_RESPONSE, True),
        (ExcCodes.ILLEGAL_VALUE, False),
        (ExcCodes.DEVICE_BUSY, False),
    ],
)
def test_an_exception_says_whether_the_plc_may_have_taken_the_write(
    answer: ExcCodes, takes_it: bool
) -> None:
    with plc_server() as plc, gate(plc.port, silence_s=60) as it:
        it.alive()
        _settled(plc, status=Status.ONLINE)
        plc.answer, plc.answers_after_taking = answer, takes_it
        it.tell(verdict(0, deadline_ns=_in(1)))
        said = _told(it.concluded())
        if takes_it:
            assert said == [(0, Outcome.PASS, None, Told.UNKNOWN)]
        else:
            assert said == [(0, Outcome.LATE, Reason.NOT_TOLD, Told.UNTOLD)]
        plc.answer = None


def test_a_pass_that_was_held_up_before_it_left_is_late() -> None:
    """The disk stands still while the judgement is noted."""
    deadline_ns = _in(1)

    def slowly(arrival: Arrival) -> None:
        until(lambda: SystemClock().wall_ns() > deadline_ns)

    with plc_server() as plc, gate(plc.port, note=slowly, silence_s=60) as it:
        it.alive()
        it.tell(verdict(0, deadline_ns=deadline_ns))
        assert _told(it.concluded()) == [(0, Outcome.LATE, Reason.NOT_TOLD, Told.NOTHING)]
        assert not any(block.status & Status.PASS for block in plc.blocks)


def test_the_plc_compares_deadlines_with_the_time_that_hosts_show() -> None:
    """The host's clock was put back by an hour since the station started."""
    with plc_server() as plc, gate(plc.port, step_s=-3600.0) as it:
        it.alive()
        deadline_ns = _in(60)
        it.tell(verdict(0, deadline_ns=deadline_ns))
        block = _settled(plc, sequence=1)
        assert block.deadline == (deadline_ns // 1_000_000 - 3_600_000) % (1 << 32)


def test_a_verdict_without_a_deadline_has_that_of_its_line() -> None:
    with plc_server() as plc, gate(plc.port) as it:
        it.alive()
        _settled(plc, status=Status.ONLINE)
        it.tell(verdict(0, captured_ns=_in(-60)), verdict(1))
        told = _told(it.concluded(2))
        assert told[0][:3] == (0, Outcome.LATE, Reason.NOT_TOLD)
        assert told[1][:2] == (1, Outcome.PASS)


def test_a_stop_hands_back_what_was_not_told() -> None:
    with gate(free_port()) as it:
        it.tell(verdict(0, deadline_ns=_in(60)))
        it.plcs.give_up()
        assert _told(it.plcs.concluded()) == [(0, Outcome.LATE, Reason.NOT_TOLD, Told.UNTOLD)]
        assert it.plcs.idle
        assert it.sink.pending() == 0


def _in(seconds: float) -> int:
    return SystemClock().wall_ns() + round(seconds * NS_PER_S)
