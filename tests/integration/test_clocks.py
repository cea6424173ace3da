"""A whole station whose host's clock is set while it runs."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from contract.clock import NS_PER_S, SystemClock
from contract.messages import Outcome
from scorer.references.enrolment import enroll
from scorer.references.shelf import Shelf
from scorer.scoring.winclip import load_model
from tests.cameras import RtspCamera
from tests.integration.station import Station, require_sound, runs_anew
from tests.pictures import picture
from tests.plc import free_port
from tests.timelines import begun_before_the_clock_was_set

pytestmark = pytest.mark.timeout(600)

HOUR_S = 3600.0


def start_anew(station: Station, process: str) -> None:
    """Kill `process`, and wait until good parts pass by the one that is started in its place."""
    before = station.send(signal.SIGKILL, process)
    station.until(lambda: runs_anew(station, process, before), f"{process} is back")
    passed = station.counts()[Outcome.PASS]
    station.until(lambda: station.counts()[Outcome.PASS] >= passed + 3, "good parts pass again")


@pytest.mark.parametrize("by_s", [HOUR_S, -HOUR_S], ids=["forward", "back"])
def test_setting_the_clock_by_an_hour_makes_no_frame_late(
    by_s: float, short_directory: Path
) -> None:
    """Processes that are started again after it agree with one that is still there."""
    more = {"sinks": {"metrics": {"port": free_port()}}}
    with RtspCamera(fps=10) as camera:
        belt = {
            "name": "belt",
            "deadline_s": 9.0,
            "fail_threshold": 1.0,
            "cameras": [{"name": "belt-top", "source": camera.url, "fps": 2}],
        }
        station = Station(short_directory, [belt], more)
        config = station.config
        model = load_model(config.scorer.model)
        good = [picture(seed=0)]
        enroll(model, config.line("belt"), good, Shelf(config.memory_directory), SystemClock())
        with begun_before_the_clock_was_set(config.run_directory, by_s=by_s), station:
            station.until(lambda: station.counts()[Outcome.PASS] >= 3, "good parts pass")
            for process in ("scorer", "sinks"):
                start_anew(station, process)
            step_s = station.metric("flawline_clock_step_seconds")
            offset_s = station.metric("flawline_clock_offset_seconds", process="ingest belt-top")
            assert station.stop() == 0
        require_sound(station)
        events = station.events()
    assert "this host's clock was set" in station.log
    assert step_s == pytest.approx(by_s, abs=1.0)
    assert abs(offset_s) < HOUR_S / 2
    assert {event.reason for event in events} <= {None, "deadline_missed"}
    began_ns = time.time_ns() - round(by_s * NS_PER_S)
    assert all(
        abs(event.times.captured_ns - began_ns) < HOUR_S / 2 * NS_PER_S for event in events
    ), "times go on as they were"
