"""The guard clears what stands without a sign of life, and nothing else."""

from __future__ import annotations

import socket
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import yaml
from pymodbus.client import ModbusTcpClient

from contract.clock import SystemClock
from contract.config_sinks import Modbus
from contract.errors import EXIT_PERMANENT
from contract.reasons import Fault
from sinks.plc import guard as module
from sinks.plc.guard import Guard, Stillness
from sinks.plc.registers import NUM_WORDS, RegisterBlock, Status
from tests.fakes import FakeClock
from tests.plc import PlcServer, free_port, plc_server
from tests.sinks.kit import config_for, until

GOOD = RegisterBlock(
    status=Status.PASS | Status.ONLINE, fault=Fault.NONE, score=0.1, heartbeat=7, sequence=3
)


def words(**changes: int) -> list[int]:
    fields = {"status": Status.PASS | Status.ONLINE, "heartbeat": 7, "sequence": 3} | changes
    fields["status"] = Status(fields["status"])
    return RegisterBlock(**fields).words()  # type: ignore[arg-type]


@contextmanager
def closing_after_each_answer(port: int) -> Iterator[int]:
    """The port of something in front of the PLC at `port` that hangs up after each answer."""
    stop = threading.Event()

    def serve(listener: socket.socket) -> None:
        while not stop.is_set():
            with suppress(TimeoutError):
                asking, _ = listener.accept()
                with asking, socket.create_connection(("127.0.0.1", port)) as answering:
                    asking.settimeout(5.0)
                    if question := asking.recv(4096):
                        answering.sendall(question)
                        asking.sendall(answering.recv(4096))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)
        thread = threading.Thread(target=serve, args=[listener])
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            stop.set()
            thread.join(10)


def test_what_moves_is_trusted_for_ever() -> None:
    clock = FakeClock()
    stillness = Stillness(clock, limit_s=0.6)
    for beat in range(100):
        assert not stillness.is_over(words(heartbeat=beat))
        clock.advance(0.5)
        assert not stillness.is_over(words(heartbeat=beat, sequence=beat))
        clock.advance(0.5)


@pytest.mark.parametrize(
    ("status", "over"),
    [
        (Status.PASS | Status.ONLINE, True),
        (Status.PASS, True),
        (Status.FAIL | Status.ONLINE, True),
        (Status.ONLINE, True),
        (Status.FAULT, False),
        (Status(0), False),
    ],
)
def test_bits_that_stand_are_over_once_the_limit_has_passed(status: Status, over: bool) -> None:
    clock = FakeClock()
    stillness = Stillness(clock, limit_s=0.6)
    assert not stillness.is_over(words(status=status))
    clock.advance(0.59)
    assert not stillness.is_over(words(status=status))
    clock.advance(0.01)
    assert stillness.is_over(words(status=status)) is over


def test_time_without_bits_does_not_count() -> None:
    """A line that comes ONLINE after a fault has its heartbeat where it stood."""
    clock = FakeClock()
    stillness = Stillness(clock, limit_s=0.6)
    assert not stillness.is_over(words(status=Status.FAULT))
    clock.advance(10.0)
    assert not stillness.is_over(words(status=Status.FAULT))
    clock.advance(0.3)
    assert not stillness.is_over(words())
    clock.advance(0.31)
    assert stillness.is_over(words())


def test_after_a_gap_it_begins_anew() -> None:
    """The cable was out: the sinks may write at any moment again."""
    clock = FakeClock()
    stillness = Stillness(clock, limit_s=0.6)
    stillness.is_over(words())
    stillness.forget()
    clock.advance(60.0)
    assert not stillness.is_over(words())
    clock.advance(0.61)
    assert stillness.is_over(words())


class Sinks:
    """What the sinks would write, by hand."""

    def __init__(self, plc: PlcServer) -> None:
        self._client = ModbusTcpClient("127.0.0.1", port=plc.port, retries=0)

    def write(self, block: RegisterBlock) -> None:
        answer = self._client.write_registers(0, block.words(), device_id=1)
        assert not answer.isError()

    def close(self) -> None:
        self._client.close()  # type: ignore[no-untyped-call]


@contextmanager
def guarding(port: int, *, heartbeat_s: float = 0.05) -> Iterator[Guard]:
    settings = Modbus.model_validate(
        {
            "name": "gate",
            "line": "belt",
            "host": "127.0.0.1",
            "port": port,
            "heartbeat_s": heartbeat_s,
        }
    )
    guard, stop = Guard(settings, SystemClock()), threading.Event()
    thread = threading.Thread(target=guard.work, args=[stop])
    thread.start()
    try:
        yield guard
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()


def test_a_pass_of_sinks_that_are_gone_is_cleared_and_their_counters_stay() -> None:
    with plc_server() as plc, guarding(plc.port):
        sinks = Sinks(plc)
        sinks.write(GOOD)
        sinks.close()
        until(lambda: plc.block.fault is Fault.SINKS)
        assert plc.block.status is Status.FAULT
        assert (plc.block.heartbeat, plc.block.sequence) == (7, 3)
        cleared = len(plc.blocks)
    assert len(plc.blocks) == cleared, "what is clear is left alone, at the end as well"


def test_sinks_that_come_back_are_trusted_again() -> None:
    with plc_server() as plc, guarding(plc.port, heartbeat_s=0.5):
        sinks = Sinks(plc)
        sinks.write(GOOD)
        until(lambda: plc.block.fault is Fault.SINKS)
        sinks.write(GOOD)
        written = len(plc.blocks)
        for beat in range(20):
            sinks.write(RegisterBlock(status=GOOD.status, fault=Fault.NONE, heartbeat=beat))
        sinks.close()
        assert all(block.status == GOOD.status for block in plc.blocks[written - 1 :])
        until(lambda: plc.block.fault is Fault.SINKS)


def test_a_plc_that_takes_whole_blocks_only_is_cleared_with_one() -> None:
    with plc_server(whole_blocks=True) as plc, guarding(plc.port):
        sinks = Sinks(plc)
        sinks.write(GOOD)
        sinks.close()
        until(lambda: plc.block.fault is Fault.SINKS)
        assert plc.block.status is Status.FAULT
        assert (plc.block.heartbeat, plc.block.sequence) == (7, 3)


def test_a_plc_that_closes_after_each_answer_is_guarded() -> None:
    with plc_server() as plc, closing_after_each_answer(plc.port) as port, guarding(port) as guard:
        sinks = Sinks(plc)
        sinks.write(GOOD)
        sinks.close()
        until(lambda: plc.block.fault is Fault.SINKS)
        assert guard.state == "guarded"


def test_a_plc_that_is_not_to_be_read_is_said_to_be_unguarded(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with plc_server(readable=False) as plc, guarding(plc.port) as guard:
        until(lambda: "refuses to be read" in guard.state)
        turns = guard.turns
        until(lambda: guard.turns > turns + 3)
    assert caplog.text.count("refuses to be read") == 1


def test_a_plc_that_comes_later_is_found() -> None:
    port = free_port()
    with guarding(port) as guard:
        until(lambda: "cannot be reached" in guard.state)
        with plc_server(port) as plc:
            until(lambda: guard.state == "guarded")
            sinks = Sinks(plc)
            sinks.write(GOOD)
            sinks.close()
            until(lambda: plc.block.fault is Fault.SINKS)
        until(lambda: "cannot be reached" in guard.state)


def test_an_outage_soon_after_another_is_said_too(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Later, because there is little time between them, but said."""
    monkeypatch.setattr(module, "COMPLAIN_S", 2.0)
    port = free_port()
    with guarding(port) as guard:
        until(lambda: "cannot be reached" in caplog.text)
        with plc_server(port):
            until(lambda: guard.state == "guarded")
        until(lambda: caplog.text.count("cannot be reached") == 2)


class OneRegister(socketserver.BaseRequestHandler):
    """Answers every question with one register, whatever was asked for."""

    def handle(self) -> None:
        while question := self.request.recv(4096):
            self.request.sendall(question[:4] + b"\0\5" + question[6:7] + b"\3\2\0\0")


def test_a_plc_that_answers_too_little_is_said_to_be_unguarded() -> None:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), OneRegister) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        with guarding(server.server_address[1]) as guard:
            until(lambda: guard.state == f"answers with 1 registers, not {NUM_WORDS}")
        server.shutdown()
        thread.join(10)


def test_a_guard_without_a_plc_says_so(tmp_path: Path) -> None:
    config = config_for(tmp_path / "data").model_dump(mode="json", exclude_none=True)
    path = tmp_path / "flawline.yaml"
    path.write_text(yaml.safe_dump(config))
    command = [sys.executable, "-P", "-m", "sinks.plc", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == EXIT_PERMANENT
    assert "no PLC has a guard" in done.stderr
