"""The supervisor with real child processes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from contract.errors import FlawlineError
from flawline.station.processes import ProcessSpec, Stage
from flawline.station.supervisor import Supervisor

DEADLINE_S = 30.0

READY = "import os, sys; os.write(int(sys.argv[sys.argv.index('--ready-fd') + 1]), b'ready\\n');"
UNTIL_TOLD = (
    "import signal, threading; told = threading.Event();"
    "signal.signal(signal.SIGTERM, lambda *_: told.set());"
)


def spec(name: str, stage: Stage, code: str) -> ProcessSpec:
    return ProcessSpec(name, stage, ("-c", code))


def waits(name: str, stage: Stage, log: Path) -> ProcessSpec:
    """A process that is ready, waits for SIGTERM and writes its name to `log`."""
    up = f"open({str(log.with_name(name + '-up'))!r}, 'w').close();"
    end = f"open({str(log)!r}, 'a').write('{name} ')"
    return spec(name, stage, f"{UNTIL_TOLD}{READY}{up} told.wait(60); {end}")


def until(supervisor: Supervisor, condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline_s, "the condition was not met in time"
        supervisor.tend()


def test_stops_cameras_first_and_sinks_last(tmp_path: Path) -> None:
    log = tmp_path / "order"
    specs = (
        waits("sinks", Stage.SINKS, log),
        waits("scorer", Stage.SCORER, log),
        waits("ingest", Stage.INGEST, log),
    )
    with Supervisor(specs) as supervisor:
        supervisor.start()
        until(supervisor, lambda: len(list(tmp_path.glob("*-up"))) == 3)
    assert log.read_text().split() == ["ingest", "scorer", "sinks"]
    assert supervisor.failed == []


def test_a_killed_process_is_started_again(tmp_path: Path) -> None:
    with Supervisor((waits("scorer", Stage.SCORER, tmp_path / "log"),)) as supervisor:
        supervisor.start()
        first = supervisor.process_ids()["scorer"]
        os.kill(first, 9)
        until(supervisor, lambda: supervisor.process_ids().get("scorer", first) != first)
        assert supervisor.restarts == 1


def test_a_process_that_was_ready_once_is_tried_again_and_again(tmp_path: Path) -> None:
    """Its second start fails early, as when something still holds its memory or its port."""
    starts = tmp_path / "starts"
    script = tmp_path / "scorer.py"
    script.write_text(
        f"""
import os, signal, sys, threading
told = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: told.set())
with open({str(starts)!r}, "a+") as starts:
    starts.write("x")
    starts.seek(0)
    if starts.read() != "x":
        sys.exit(1)
os.write(int(sys.argv[sys.argv.index("--ready-fd") + 1]), b"ready")
told.wait(60)
"""
    )
    child = ProcessSpec("scorer", Stage.SCORER, (str(script),))
    with Supervisor((child,)) as supervisor:
        supervisor.start()
        os.kill(supervisor.process_ids()["scorer"], 9)
        until(supervisor, lambda: len(starts.read_text()) >= 3)
        assert not supervisor.failed


def test_a_camera_that_cannot_work_does_not_take_the_others_with_it(tmp_path: Path) -> None:
    specs = (
        spec("ingest bad", Stage.INGEST, "raise SystemExit(2)"),
        waits("ingest good", Stage.INGEST, tmp_path / "log"),
    )
    with Supervisor(specs) as supervisor:
        supervisor.start()
        until(supervisor, lambda: supervisor.failed == ["ingest bad"])
        assert "ingest good" in supervisor.process_ids()
        assert not supervisor.finished


def test_finite_cameras_come_to_an_end() -> None:
    with Supervisor((spec("ingest", Stage.INGEST, READY),)) as supervisor:
        supervisor.start()
        until(supervisor, lambda: supervisor.finished)
    assert supervisor.failed == []


def test_a_scorer_that_does_not_start_says_why(tmp_path: Path) -> None:
    bad = spec("scorer", Stage.SCORER, "import sys; sys.exit('weights are missing')")
    supervisor = Supervisor((bad,), log_directory=tmp_path)
    with (
        pytest.raises(FlawlineError, match=r"scorer did not start.*weights are missing"),
        supervisor,
    ):
        supervisor.start()
