"""The sinks as a real process, with messages from hosts whose clocks are off."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest

from contract.clock import NS_PER_S
from contract.errors import EXIT_OK
from contract.messages import CameraMessage, Outcome, ProcessMessage, VerdictMessage
from contract.offset import MAX_OFFSET_S
from contract.reasons import Fault
from sinks.plc.registers import OUTCOME_CODES, Status
from tests.plc import plc_server
from tests.sinks.kit import (
    booked,
    camera,
    config_for,
    end,
    existing,
    peers,
    running,
    scorer_alive,
    until,
    verdict,
)
from tests.timelines import begun_before_the_clock_was_set

PATIENT_S = 30.0  # a deadline for a busy machine
OFFSET = re.compile(r'flawline_clock_offset_seconds\{process="ingest top"\} (\S+)')
STEP = re.compile(r"^flawline_clock_step_seconds (\S+)", re.MULTILINE)


def now_ns(ahead_s: float) -> int:
    return time.time_ns() + round(ahead_s * NS_PER_S)


def heard(admitted: int, *, ahead_s: float) -> tuple[CameraMessage, ProcessMessage]:
    """Heartbeats: of a camera whose clock is ahead by so much, and of a scorer whose is right."""
    stamps: dict[str, Any] = {"sent_ns": now_ns(ahead_s), "newest_frame_ns": now_ns(ahead_s)}
    return camera(admitted, **stamps), scorer_alive()


def seen(
    frame_id: int,
    outcome: Outcome = Outcome.PASS,
    *,
    ahead_s: float,
    age_s: float = 0.0,
    deadline_s: float = PATIENT_S,
    **fields: Any,
) -> VerdictMessage:
    """A verdict of this moment on a frame of that camera, so old."""
    captured_ns = now_ns(ahead_s - age_s)
    stamps: dict[str, Any] = {
        "captured_ns": captured_ns,
        "decoded_ns": captured_ns,
        "deadline_ns": captured_ns + round(deadline_s * NS_PER_S),
    }
    return verdict(frame_id, outcome, **(stamps | fields))


def plc_of(port: int) -> dict[str, Any]:
    return {"name": "gate", "line": "belt", "host": "127.0.0.1", "port": port, "silence_s": 5.0}


def test_a_frame_that_is_old_does_not_pass_because_its_clock_is_ahead(
    short_directory: Path,
) -> None:
    """A deadline of one second; nine seconds old, by a clock that is 60 s ahead."""
    with plc_server() as plc:
        config = config_for(
            short_directory / "data", line={"deadline_s": 1.0}, modbus=[plc_of(plc.port)]
        )
        with peers(config) as them, running(config, short_directory) as process:
            old = [seen(n, ahead_s=60.0, age_s=9.0, deadline_s=1.0) for n in range(3)]
            them.send(old[0])
            them.await_acks()
            them.tell(*heard(3, ahead_s=60.0))
            until(lambda: plc.block.fault is Fault.CLOCK)
            assert Status.FAULT in plc.block.status
            them.send(*old[1:])
            them.await_acks()
            until(lambda: plc.block.sequence == 3)
            assert plc.block.outcome == OUTCOME_CODES[Outcome.INVALID]
            assert not any(Status.PASS in block.status for block in plc.blocks)
            text = process.scrape()
            found = OFFSET.search(text)
            assert found
            # The sinks' clock does not follow a wall clock that is stepped by milliseconds.
            assert 0 < float(found[1]) <= 60.0 + MAX_OFFSET_S, "never more than it is"
            assert 'reason="clock",station="station",verdict="INVALID"} 3.0' in text
            assert "the clock of ingest top is " in process.log.read_text()
            them.tell(end(3))
            assert process.stop() == EXIT_OK
    assert booked(config) == {Outcome.INVALID: 3}
    with existing(config) as store:
        events = list(store.events())
    assert {event.reason for event in events} == {"clock"}
    assert {event.anomaly_score for event in events} == {None}


def test_a_clock_that_is_behind_does_not_look_like_a_slow_scorer(short_directory: Path) -> None:
    config = config_for(short_directory / "data")
    with peers(config) as them, running(config, short_directory) as process:

        def is_found() -> bool:
            them.tell(*heard(2, ahead_s=-60.0))
            return "behind that of the sinks" in process.log.read_text()

        until(is_found)
        them.send(
            seen(0, ahead_s=-60.0),
            seen(1, Outcome.LATE, ahead_s=-60.0, reason="deadline_missed"),
        )
        them.await_acks()
        them.tell(end(2))
        assert process.stop() == EXIT_OK
    assert booked(config) == {Outcome.LATE: 2}
    with existing(config) as store:
        assert {event.reason for event in store.events()} == {"clock_behind"}


@pytest.mark.parametrize("by_s", [3600.0, -3600.0])
def test_setting_the_clock_of_a_running_station_makes_nothing_late_or_good(
    by_s: float, short_directory: Path
) -> None:
    """Sinks that start after the clock was set go by the time of the processes that were there."""
    config = config_for(short_directory / "data")
    others_s = -by_s  # the time of camera and scorer, which began before
    with begun_before_the_clock_was_set(config.run_directory, by_s=by_s), peers(config) as them:
        for number in range(2):
            first = 2 * number
            home = short_directory / str(number)
            home.mkdir()
            with running(config, home) as process:
                alive = scorer_alive(sent_ns=now_ns(others_s))
                them.tell(heard(first + 2, ahead_s=others_s)[0], alive)
                stamps: dict[str, Any] = dict.fromkeys(
                    ("received_ns", "emitted_ns"), now_ns(others_s)
                )
                them.send(
                    seen(first, ahead_s=others_s, **stamps),
                    seen(first + 1, ahead_s=others_s, age_s=2 * PATIENT_S, **stamps),
                )
                them.await_acks()
                found = STEP.search(process.scrape())
                assert found
                assert float(found[1]) == pytest.approx(by_s, abs=1.0)
                if number:
                    them.tell(end(4))
                    assert process.stop() == EXIT_OK
    assert booked(config) == {Outcome.PASS: 2, Outcome.LATE: 2}
    with existing(config) as store:
        late = [event for event in store.events() if event.outcome is Outcome.LATE]
    assert {event.reason for event in late} == {"deadline_missed"}
