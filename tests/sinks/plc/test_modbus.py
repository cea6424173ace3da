"""The PLC sink against a real Modbus TCP server."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from contract.clock import NS_PER_S, SystemClock
from contract.config import Line
from contract.config_sinks import Modbus
from contract.messages import Outcome, VerdictMessage
from contract.reasons import Fault
from sinks.arrival import Arrivals
from sinks.fanout import Fanout
from sinks.metrics.metrics import Metrics
from sinks.plc.modbus import Plc
from sinks.plc.registers import NO_BITS, UNKNOWN_CAMERA, RegisterBlock, Status
from tests.plc import PlcServer, free_port, plc_server
from tests.sinks.kit import (
    STREAM,
    arrival,
    camera,
    clocks,
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
    fanout: Fanout
    metrics: Metrics

    def alive(self) -> None:
        self.sink.observe(scorer_alive())
        self.sink.observe(camera(0))

    def tell(self, *headers: VerdictMessage) -> None:
        for header in headers:
            self.fanout.offer(arrival(header))

    def errors(self, reason: str) -> float:
        return value_of(self.metrics, "sink_errors_total", sink="gate", reason=reason)


@contextmanager
def gate(port: int, *, review_as: str = "FAIL", **fields: Any) -> Iterator[Gate]:
    settings = Modbus(name="gate", line="belt", host="127.0.0.1", port=port, **fields)
    numbers = metrics()
    sink = Plc(settings, _line(review_as), clock=SystemClock(), metrics=numbers)
    fanout = Fanout([sink], numbers)
    fanout.start()
    try:
        yield Gate(sink, fanout, numbers)
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


def test_other_lines_and_second_deliveries_are_not_told() -> None:
    with plc_server() as plc, gate(plc.port) as it:
        it.alive()
        it.tell(verdict(0, stream=STREAM._replace(line="other")))
        receipt = Arrivals(clocks())
        for _ in range(3):
            it.fanout.offer(arrival(verdict(1), arrivals=receipt))
        it.tell(verdict(2, stream=STREAM._replace(camera="unknown")))
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
