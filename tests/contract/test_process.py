"""The process shell, seen from outside: exit codes, readiness, signals, an orphan's end."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from contract.process import Every
from tests.fakes import FakeClock

BODY = Path(__file__).with_name("process_body.py")
DEADLINE_S = 20
CONFIG = "lines: [{name: belt, cameras: [{name: cam, source: clip.mp4}]}]\n"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "belt.yaml"
    path.write_text(CONFIG, encoding="utf-8")
    return path


def command(body: str, *arguments: object) -> list[str]:
    return [sys.executable, str(BODY), body, *map(str, arguments)]


def run(body: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(body, *arguments), capture_output=True, text=True, timeout=DEADLINE_S, check=False
    )


def read_until_closed(descriptor: int) -> bytes:
    """Everything that comes out of a pipe; fails if it stays open beyond the deadline."""
    received = b""
    while True:
        readable, _, _ = select.select([descriptor], [], [], DEADLINE_S)
        assert readable, f"pipe still open, received {received!r}"
        part = os.read(descriptor, 4096)
        if not part:
            return received
        received += part


@contextmanager
def pipe() -> Iterator[tuple[int, int]]:
    """A reading and a writing end; the writing end is closed by the user of this."""
    reading, writing = os.pipe()
    try:
        yield reading, writing
    finally:
        os.close(reading)


@contextmanager
def serving(config: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """A process that has said that it is ready."""
    with pipe() as (reading, writing):
        process = subprocess.Popen(
            command("serves", config, "--ready-fd", writing, *options),
            pass_fds=[writing],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        os.close(writing)
        with process:
            try:
                assert read_until_closed(reading) == b"ready\n"
                yield process
            finally:
                process.kill()


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        ("returns", 0, ""),
        ("may_heal", 1, "does not answer: check the cable"),
        ("will_not_heal", 2, "no such thing: set another"),
        ("crashes", 1, "ZeroDivisionError"),
    ],
)
def test_exit_code(config: Path, body: str, code: int, said: str) -> None:
    ended = run(body, config)
    assert ended.returncode == code
    assert said in ended.stderr
    assert "hunter2" not in ended.stderr
    assert ("Traceback" in ended.stderr) == (body == "crashes")


def test_a_process_tells_once_how_long_its_start_took(config: Path) -> None:
    with serving(config) as process:
        process.terminate()
        _, said = process.communicate()
    [line] = [line for line in said.splitlines() if "ready after" in line]
    assert re.search(r"ready after [\d.]+ s: imports [\d.]+ s, configuration .* the rest", line)


def test_a_configuration_error_will_not_heal(tmp_path: Path) -> None:
    path = tmp_path / "belt.yaml"
    path.write_text(CONFIG.replace("name: cam", "nam: cam"), encoding="utf-8")
    ended = run("returns", path)
    assert ended.returncode == 2
    assert f"{path}:1: lines[0].cameras[0].nam: unknown key: did you mean 'name'?" in ended.stderr


def test_a_missing_configuration_will_not_heal(tmp_path: Path) -> None:
    ended = run("returns", tmp_path / "nowhere.yaml")
    assert ended.returncode == 2
    assert "cannot read configuration" in ended.stderr


def test_a_wrong_option_will_not_heal(config: Path) -> None:
    assert run("returns", config, "--faster").returncode == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains(config: Path, number: signal.Signals) -> None:
    with serving(config) as process:
        process.send_signal(number)
        out, _ = process.communicate(timeout=DEADLINE_S)
        assert process.returncode == 0
        assert out == "drained\n"


def test_readiness_is_told_once_and_never_for_a_process_that_fails(config: Path) -> None:
    with pipe() as (reading, writing):
        with subprocess.Popen(
            command("will_not_heal", config, "--ready-fd", writing),
            pass_fds=[writing],
            stderr=subprocess.DEVNULL,
        ) as process:
            os.close(writing)
            assert read_until_closed(reading) == b""
            assert process.wait(DEADLINE_S) == 2


@pytest.mark.parametrize("supervised", [True, False])
def test_an_orphan_stops_if_it_was_supervised(config: Path, supervised: bool) -> None:
    with pipe() as (ready, ready_end), pipe() as (output, output_end):
        child = command("serves", config, "--ready-fd", ready_end)
        options = '["--supervised-by", str(os.getpid())]' if supervised else "[]"
        script = (
            "import os, subprocess, sys\n"
            f"child = subprocess.Popen({child!r} + {options},"
            f" pass_fds=[{ready_end}], stdout={output_end})\n"
            "print(child.pid, flush=True)\n"
            "sys.stdin.read()\n"
        )
        with subprocess.Popen(
            [sys.executable, "-c", script],
            pass_fds=[ready_end, output_end],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as parent:
            os.close(ready_end)
            os.close(output_end)
            assert parent.stdout is not None
            child_pid = int(parent.stdout.readline())
            assert os.read(ready, 100) == b"ready\n"
            parent.kill()
        if not supervised:
            assert not select.select([output], [], [], 0.3)[0]
            os.kill(child_pid, signal.SIGTERM)
        assert read_until_closed(output) == b"drained\n"


def test_every_comes_round() -> None:
    clock = FakeClock()
    every = Every(0.5, clock)
    assert every.due()
    assert not every.due()
    clock.advance(0.49)
    assert not every.due()
    clock.advance(0.01)
    assert every.due()


def test_every_does_not_catch_up() -> None:
    clock = FakeClock()
    every = Every(0.5, clock)
    assert every.due()
    clock.advance(60)
    assert every.due()
    assert not every.due()
