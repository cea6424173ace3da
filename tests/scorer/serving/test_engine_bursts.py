"""In time as often as can be: bursts, still pictures, probes of cameras that are always late."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise
from typing import Any

from contract.clock import NS_PER_S
from contract.messages import Outcome
from contract.reasons import Reason
from scorer.serving.cost import Cost
from tests.scorer.serving.bench import Bench, grey, only
from tests.scorer.shelves import line


class Station(Bench):
    """Scoring takes 10 ms a token; a frame has ten, of which the cache saves `saved_tokens`."""

    def __init__(self) -> None:
        super().__init__()
        self.engine._cost = Cost(token_ns=NS_PER_S / 100)
        look = self.model.look

        def timed(crops: Any, *rest: Any) -> Any:
            self.clock.advance((10 - self.model.saved_tokens) * len(crops) / 100)
            return look(crops, *rest)

        self.model.look = timed  # type: ignore[method-assign,assignment]

    def bursts(self, num: int, *, frames: int, deadline_s: float) -> list[Counter[Outcome]]:
        """Outcomes of bursts of frames that come together, once a second."""
        counts = []
        for burst in range(num):
            start_s = self.clock.monotonic_s()
            deadline_ns = self.clock.wall_ns() + int(deadline_s * NS_PER_S)
            verdicts = self.judge(
                *(
                    grey(50, frames * burst + part, deadline_ns=deadline_ns)
                    for part in range(frames)
                )
            )
            counts.append(Counter(each.header.outcome for each in verdicts))
            self.clock.advance(max(0.0, 1.0 - (self.clock.monotonic_s() - start_s)))
        return counts


def test_in_every_burst_as_many_are_in_time_as_can_be() -> None:
    """Eight cameras triggered together; 450 ms are enough for four frames of 100 ms."""
    for outcomes in Station().bursts(60, frames=8, deadline_s=0.45):
        assert outcomes == {Outcome.PASS: 4, Outcome.LATE: 4}


def test_cameras_that_lose_a_burst_again_and_again_break_it_for_nobody() -> None:
    """As above with a camera for each frame: those that never win are no cheaper for it."""
    station = Station()
    cameras = [{"name": f"cam-{number}", "source": "/dev/video0"} for number in range(8)]
    state = station.lines["bottles"]
    station.lines["bottles"] = replace(state, line=line("bottles", cameras=cameras))
    for burst in range(40):
        deadline_ns = station.clock.wall_ns() + int(0.45 * NS_PER_S)
        frames = (
            grey(50, burst, camera=camera["name"], deadline_ns=deadline_ns) for camera in cameras
        )
        outcomes = Counter(verdict.header.outcome for verdict in station.judge(*frames))
        assert outcomes == {Outcome.PASS: 4, Outcome.LATE: 4}
        station.clock.advance(0.6)


def test_after_a_long_still_only_the_first_frames_of_motion_are_misjudged() -> None:
    """While nothing moves frames cost a tenth; then a belt starts that leaves time for four."""
    station = Station()
    station.model.saved_tokens = 9
    still = station.bursts(120, frames=8, deadline_s=0.45)
    assert all(outcomes == {Outcome.PASS: 8} for outcomes in still[2:])
    station.model.saved_tokens = 0
    moving = station.bursts(10, frames=8, deadline_s=0.45)
    assert all(outcomes == {Outcome.PASS: 4, Outcome.LATE: 4} for outcomes in moving[1:]), moving


def test_one_change_does_not_shut_a_still_camera_out() -> None:
    """Its full cost is more than there is time for, another line is busy all along."""
    station = Station()
    station.model.saved_tokens = 9
    outcomes: list[Outcome] = []
    for number in range(400):
        station.model.saved_tokens = 0 if number == 3 else 9
        deadline_ns = station.clock.wall_ns() + NS_PER_S * 6 // 100
        frames = (grey(50, number, deadline_ns=deadline_ns), grey(50, number, line="cans"))
        by_line = {each.header.line: each.header for each in station.judge(*frames)}
        outcomes.append(by_line["bottles"].outcome)
        station.clock.advance(0.1)
    assert outcomes[3] is Outcome.LATE
    assert set(outcomes[-100:]) == {Outcome.PASS}


def test_a_machine_that_is_too_slow_is_probed_once_a_second_and_no_more() -> None:
    """Every frame takes 100 ms and has 60; ten come a second."""
    station = Station()
    scored = []
    for number in range(100):
        deadline_ns = station.clock.wall_ns() + NS_PER_S * 6 // 100
        header = only(station.judge(grey(50, number, deadline_ns=deadline_ns))).header
        assert header.outcome is Outcome.LATE
        scored += [station.clock.monotonic_s()] if header.anomaly_score is not None else []
        station.clock.advance(0.1)
    assert 5 <= len(scored) <= 10
    assert min(after - before for before, after in pairwise(scored)) > 1.0


def test_a_probe_delays_nobody_who_can_be_in_time() -> None:
    """`cans` has two frames that need 100 ms each and have 150 and 250."""
    station = Station()
    outcomes: list[Outcome] = []
    probes = 0
    for number in range(60):
        now_ns = station.clock.wall_ns()
        short = grey(50, number, deadline_ns=now_ns + NS_PER_S * 6 // 100)
        cans = [
            grey(
                50,
                2 * number + late,
                line="cans",
                deadline_ns=now_ns + hundredths * NS_PER_S // 100,
            )
            for late, hundredths in enumerate((15, 25))
        ]
        headers = [each.header for each in station.judge(short, *cans)]
        outcomes += [header.outcome for header in headers if header.line == "cans"]
        [given_up] = [header for header in headers if header.line == "bottles"]
        assert given_up.outcome is Outcome.LATE
        probes += given_up.anomaly_score is not None
        station.clock.advance(0.1)
    assert probes >= 5
    assert set(outcomes) == {Outcome.PASS}


def test_a_probe_is_scored_though_other_frames_never_end() -> None:
    station = Station()
    probed = 0
    for number in range(200):
        now_ns = station.clock.wall_ns()
        if number % 5 == 0:
            short = grey(50, number, deadline_ns=now_ns + NS_PER_S * 6 // 100)
            station.engine.submit(short, now_ns)
        for part in range(2):
            station.engine.submit(grey(50, 2 * number + part, line="cans"), now_ns)
            if len(station.scheduler) > 20:
                break
        headers = [each.header for each in station.engine.step()]
        probed += any(h.line == "bottles" and h.anomaly_score is not None for h in headers)
    assert probed >= 3


def test_a_probe_that_waits_is_given_up_at_the_end_like_any_frame() -> None:
    station = Station()
    for number in range(60):
        deadline_ns = station.clock.wall_ns() + NS_PER_S * 6 // 100
        station.engine.submit(grey(50, number, deadline_ns=deadline_ns), station.clock.wall_ns())
        if not station.engine.step() and station.engine.pending:
            break
        station.clock.advance(0.1)
    header = only(station.engine.abandon(Reason.SHUTDOWN)).header
    assert (header.outcome, header.reason) == (Outcome.UNSCORED, Reason.SHUTDOWN)
    assert station.engine.pending == 0
