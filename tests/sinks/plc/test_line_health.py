"""The heartbeat stands for the whole way from camera to verdict."""

from __future__ import annotations

from typing import Any

import pytest

from contract.clock import NS_PER_S
from contract.messages import CameraState, ProcessState
from contract.reasons import Fault
from sinks.plc.line_health import LineHealth
from tests.fakes import FakeClock
from tests.sinks.kit import STREAM, camera, drop, end, scorer_alive, verdict


class Line:
    """The health of a line with a clock of its own and an easy way to feed it."""

    def __init__(self, *cameras: str) -> None:
        self.clock = FakeClock()
        self.health = LineHealth(
            cameras or ("top",), silence_s=2.0, fault_after_late=3, clock=self.clock
        )

    def frame(self, admitted: int, name: str = "top", **fields: Any) -> None:
        """A heartbeat of a camera with a frame of this moment."""
        now_ns = self.clock.wall_ns()
        values = {"sent_ns": now_ns, "newest_frame_ns": now_ns} | fields
        self.health.observe(camera(admitted, stream=STREAM._replace(camera=name), **values))

    def scorer(self, **fields: Any) -> None:
        """A heartbeat of the scorer."""
        self.health.observe(scorer_alive(**({"sent_ns": self.clock.wall_ns()} | fields)))

    def score(self, frame_id: int, name: str = "top") -> None:
        header = verdict(frame_id, stream=STREAM._replace(camera=name))
        self.health.verdict(header, frame_id)

    def go(self, seconds: float) -> Fault:
        """Let time pass without news."""
        self.clock.advance(seconds)
        return self.health.fault()

    def beats(self) -> bool:
        before = self.health.heartbeat
        self.health.beat()
        return self.health.heartbeat > before


@pytest.fixture
def line() -> Line:
    """A healthy line with one camera."""
    line = Line()
    line.scorer()
    line.frame(1)
    line.score(0)
    return line


def test_a_healthy_line_beats(line: Line) -> None:
    assert line.health.fault() is Fault.NONE
    assert line.beats()


def test_before_anything_was_heard_it_is_starting() -> None:
    line = Line()
    assert line.health.fault() is Fault.STARTING
    assert not line.beats()
    assert line.go(2.5) is Fault.SCORER


def test_a_silent_camera_stops_the_heart(line: Line) -> None:
    line.go(1.5)
    line.scorer()
    assert line.go(1.0) is Fault.CAMERA
    assert not line.beats()
    line.frame(2)
    assert line.health.fault() is Fault.NONE


def test_a_camera_that_repeats_its_last_frame_is_silent(line: Line) -> None:
    stuck_ns = line.clock.wall_ns()
    for _ in range(5):
        line.clock.advance(0.6)
        line.scorer()
        line.frame(1, newest_frame_ns=stuck_ns)
    assert line.health.fault() is Fault.CAMERA


def test_a_camera_clock_that_runs_ahead_hides_no_standstill(line: Line) -> None:
    line.frame(1, newest_frame_ns=line.clock.wall_ns() + 10**12)
    line.clock.advance(2.5)
    line.scorer()
    assert line.health.fault() is Fault.CAMERA


def test_one_blind_camera_of_two_stops_the_line() -> None:
    line = Line("top", "side")
    line.scorer()
    line.frame(1)
    line.frame(1, "side")
    assert line.health.fault() is Fault.NONE
    line.clock.advance(2.5)
    line.scorer()
    line.frame(2)
    assert line.health.fault() is Fault.CAMERA


def test_a_silent_or_starting_scorer_stops_the_heart(line: Line) -> None:
    line.clock.advance(2.5)
    line.frame(2)
    assert line.health.fault() is Fault.SCORER
    line.scorer(state=ProcessState.STARTING)
    assert line.health.fault() is Fault.SCORER
    line.scorer(state=ProcessState.DRAINING)
    assert line.health.fault() is Fault.NONE


def test_frames_without_verdicts_are_overdue(line: Line) -> None:
    for admitted in range(2, 8):
        line.clock.advance(0.5)
        line.scorer()
        line.frame(admitted)
    assert line.health.fault() is Fault.OVERDUE
    line.score(3)
    assert line.health.fault() is Fault.NONE


@pytest.mark.parametrize(("scored", "fault"), [(True, Fault.NONE), (False, Fault.OVERDUE)])
def test_drops_alone_do_not_keep_a_line_alive(line: Line, scored: bool, fault: Fault) -> None:
    """A slow scorer drops frames and is well; one that never answers is not."""
    for admitted in range(2, 22, 2):
        line.clock.advance(0.5)
        line.scorer()
        line.frame(admitted)
        line.health.observe(drop(admitted - 2, admitted - 2))
        if scored:
            line.score(admitted - 1)
    assert line.health.fault() is fault


def test_useless_results_in_a_row_are_a_fault_until_one_is_of_use(line: Line) -> None:
    line.health.useless(2)
    assert line.health.fault() is Fault.NONE
    line.health.useless(1)
    assert line.health.fault() is Fault.LATE
    assert not line.beats()
    line.health.useful()
    assert line.health.fault() is Fault.NONE


def test_a_finished_file_ends_without_fault(line: Line) -> None:
    line.frame(1, state=CameraState.ENDED, live=False)
    assert line.health.fault() is Fault.NONE
    assert line.go(2.5) is Fault.ENDED
    assert not line.beats()


def test_a_live_camera_that_ended_is_a_fault(line: Line) -> None:
    line.frame(1, state=CameraState.ENDED, live=True)
    line.clock.advance(2.5)
    line.scorer()
    assert line.health.fault() is Fault.CAMERA


@pytest.mark.parametrize(
    ("reason", "fault"),
    [("finished", Fault.NONE), ("stopped", Fault.CAMERA), ("failed", Fault.CAMERA)],
)
def test_a_finished_file_does_not_stop_the_other_camera_but_one_that_was_stopped_does(
    reason: str, fault: Fault
) -> None:
    line = Line("top", "file")
    for admitted in range(1, 10):
        line.clock.advance(0.5)
        line.scorer()
        line.frame(admitted)
        line.score(admitted - 1)
        if admitted == 1:
            line.frame(0, "file", state=CameraState.ENDED, live=False)
            line.health.observe(end(0, stream=STREAM._replace(camera="file"), reason=reason))
    assert line.health.fault() is fault


def test_a_new_epoch_starts_counting_again(line: Line) -> None:
    line.frame(1000)
    line.score(999)
    fresh = STREAM._replace(epoch=STREAM.epoch + 1)
    now_ns = line.clock.wall_ns()
    line.health.observe(camera(1, stream=fresh, sent_ns=now_ns, newest_frame_ns=now_ns + 1))
    line.clock.advance(1.9)
    line.scorer()
    assert line.health.fault() is Fault.NONE
    line.clock.advance(0.3)
    now_ns = line.clock.wall_ns()
    line.health.observe(camera(2, stream=fresh, sent_ns=now_ns, newest_frame_ns=now_ns))
    assert line.health.fault() is Fault.OVERDUE


def run_with_clocks(
    line: Line, *, camera_s: float = 0.0, scorer_s: float = 0.0, useful: bool = True
) -> list[Fault]:
    """Four seconds of a line that works, with the clocks of its hosts ahead by so much."""
    faults = []
    for frame in range(1, 21):
        line.clock.advance(0.2)
        now_ns = line.clock.wall_ns()
        camera_ns, scorer_ns = now_ns + round(camera_s * 1e9), now_ns + round(scorer_s * 1e9)
        line.frame(frame + 1, sent_ns=camera_ns, newest_frame_ns=camera_ns)
        line.scorer(sent_ns=scorer_ns)
        line.score(frame)
        if useful:
            line.health.useful()
        else:
            line.health.useless(1)
        faults.append(line.health.fault())
    return faults


@pytest.mark.parametrize(("camera_s", "scorer_s"), [(0.2, 0.0), (0.0, 0.2)])
def test_a_clock_that_is_ahead_is_a_fault_at_once(
    line: Line, camera_s: float, scorer_s: float
) -> None:
    within = run_with_clocks(line, camera_s=camera_s / 4, scorer_s=scorer_s / 4)
    assert set(within) == {Fault.NONE}
    assert set(run_with_clocks(line, camera_s=camera_s, scorer_s=scorer_s)) == {Fault.CLOCK}
    assert not line.beats()


@pytest.mark.parametrize(("useful", "last"), [(True, Fault.NONE), (False, Fault.CLOCK)])
def test_a_clock_that_is_a_little_behind_is_a_fault_if_it_costs_results(
    useful: bool, last: Fault
) -> None:
    assert run_with_clocks(Line(), camera_s=-0.5, useful=useful)[-1] is last


def test_a_clock_that_is_far_behind_is_not_taken_for_a_dead_camera() -> None:
    line = Line()
    assert run_with_clocks(line, camera_s=-60.0)[-1] is Fault.CLOCK
    line.clock.advance(2.1)
    line.scorer()
    assert line.health.fault() is Fault.CAMERA, "nor a dead camera for a clock"


def test_the_clock_of_a_camera_that_ended_stops_no_other() -> None:
    line = Line()
    now_ns = line.clock.wall_ns()
    ahead_ns = now_ns + NS_PER_S
    line.health.observe(camera(1, sent_ns=ahead_ns, newest_frame_ns=now_ns))
    line.health.observe(scorer_alive(sent_ns=now_ns))
    assert line.health.fault() is Fault.CLOCK
    line.health.observe(
        camera(1, sent_ns=ahead_ns, state=CameraState.ENDED, live=False, newest_frame_ns=now_ns)
    )
    assert line.health.fault() is not Fault.CLOCK
