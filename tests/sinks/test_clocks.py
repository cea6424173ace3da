"""What a verdict is worth where the clocks of the hosts differ."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.clock import NS_PER_S
from contract.messages import SCORED, Outcome, VerdictMessage
from contract.offset import MAX_OFFSET_S
from sinks.arrival import Arrival, Arrivals
from sinks.clocks import DECIDED, TELL_EVERY_S, Clocks
from tests.fakes import FakeClock
from tests.sinks.kit import STREAM, camera, clocks, scorer_alive, verdict

DEADLINE_S = 1.0


@dataclass
class Hosts:
    """The sinks' host, whose clock is right, and how far the others' are ahead of it."""

    camera_s: float = 0.0
    scorer_s: float = 0.0
    clock: FakeClock = field(default_factory=FakeClock)

    def __post_init__(self) -> None:
        self.clocks = clocks(self.clock)
        self.arrivals = Arrivals(self.clocks)

    def beat(self, seconds: float = 0.0) -> None:
        """Heartbeats of camera and scorer, five a second for so long, one at least."""
        for _ in range(max(1, round(seconds * 5))):
            self.clock.advance(0.2)
            for message in (
                camera(1, sent_ns=self._ns(self.camera_s)),
                scorer_alive(sent_ns=self._ns(self.scorer_s)),
            ):
                self.clocks.observe(message)

    def verdict(self, age_s: float, outcome: Outcome = Outcome.PASS) -> VerdictMessage:
        """A verdict of this moment on a frame that is so old."""
        captured_ns = self._ns(self.camera_s - age_s)
        scored_ns = self._ns(self.scorer_s)
        return verdict(
            0,
            outcome,
            captured_ns=captured_ns,
            decoded_ns=captured_ns,
            received_ns=scored_ns,
            emitted_ns=scored_ns,
            deadline_ns=captured_ns + round(DEADLINE_S * NS_PER_S),
            anomaly_score=0.25 if outcome in DECIDED else None,
        )

    def take(self, header: VerdictMessage) -> Arrival:
        return self.arrivals.take(b"", header, self.clock.wall_ns())

    def judged(self, age_s: float, outcome: Outcome = Outcome.PASS) -> tuple[Outcome, str | None]:
        header = self.take(self.verdict(age_s, outcome)).header
        # What is stored must be a verdict: an error never carries a score.
        VerdictMessage.model_validate(header.model_dump())
        return header.outcome, header.reason

    def _ns(self, seconds: float) -> int:
        return self.clock.wall_ns() + round(seconds * NS_PER_S)


def test_frames_of_nine_seconds_do_not_pass_for_a_clock_that_is_a_minute_ahead() -> None:
    for heard in (True, False):
        hosts = Hosts(camera_s=60.0)
        if heard:
            hosts.beat()
        assert hosts.judged(9.0) == (Outcome.INVALID, "clock")


def test_a_clock_that_is_a_little_ahead_is_known_by_its_heartbeats() -> None:
    """No stamp of this verdict lies in the future: it would pass, half a second too late."""
    hosts = Hosts(camera_s=0.7)
    hosts.beat()
    assert hosts.judged(1.5) == (Outcome.INVALID, "clock")


@pytest.mark.parametrize("outcome", sorted(DECIDED))
def test_whatever_depends_on_a_deadline_is_invalid_if_a_clock_is_ahead(outcome: Outcome) -> None:
    for hosts in (Hosts(camera_s=60.0), Hosts(scorer_s=60.0)):
        hosts.beat()
        assert hosts.judged(0.1, outcome) == (Outcome.INVALID, "clock")


@pytest.mark.parametrize("outcome", [Outcome.INVALID, Outcome.UNSCORED])
def test_an_error_keeps_its_own_reason(outcome: Outcome) -> None:
    hosts = Hosts(camera_s=60.0)
    hosts.beat()
    assert hosts.judged(0.1, outcome) == (outcome, "test")


def test_without_a_deadline_no_clock_decides_anything() -> None:
    hosts = Hosts(camera_s=60.0)
    hosts.beat()
    times = hosts.verdict(9.0).times.model_copy(update={"deadline_ns": None})
    header = hosts.verdict(9.0).model_copy(update={"times": times})
    assert hosts.take(header).header.outcome is Outcome.PASS


def test_late_by_a_clock_that_is_behind_is_named_as_such() -> None:
    hosts = Hosts(camera_s=-60.0)
    assert hosts.judged(0.1) == (Outcome.LATE, "deadline_missed"), "nobody can know yet"
    hosts.arrivals = Arrivals(hosts.clocks)
    hosts.beat(4.0)
    assert hosts.judged(0.1) == (Outcome.LATE, "clock_behind")
    hosts.arrivals = Arrivals(hosts.clocks)
    assert hosts.judged(0.1, Outcome.LATE) == (Outcome.LATE, "clock_behind"), "of the scorer's, too"


def test_what_is_in_time_by_a_clock_that_is_behind_is_so_by_any() -> None:
    hosts = Hosts(camera_s=-0.5)
    hosts.beat(4.0)
    assert hosts.judged(0.1) == (Outcome.PASS, None)


def test_a_slow_scorer_is_not_taken_for_a_clock() -> None:
    hosts = Hosts()
    hosts.beat(4.0)
    assert hosts.judged(9.0) == (Outcome.LATE, "deadline_missed")


@given(
    camera_s=st.floats(-20, 20), scorer_s=st.floats(-20, 20), age_s=st.floats(0, 20), at=st.data()
)
def test_nothing_passes_later_than_its_deadline_and_the_bound(
    camera_s: float, scorer_s: float, age_s: float, at: st.DataObject
) -> None:
    """Whatever the clocks say, once the camera was heard."""
    hosts = Hosts(camera_s=camera_s, scorer_s=scorer_s)
    hosts.beat(at.draw(st.sampled_from([0.2, 4.0])))
    outcome, _ = hosts.judged(age_s, at.draw(st.sampled_from(sorted(SCORED))))
    if outcome in SCORED:
        assert age_s <= DEADLINE_S + MAX_OFFSET_S + 1e-6
        assert max(camera_s, scorer_s) <= MAX_OFFSET_S + 1e-6
    if camera_s == scorer_s == 0 and age_s < DEADLINE_S:
        assert outcome in SCORED


def test_a_second_delivery_keeps_the_judgement_though_the_clock_was_put_right() -> None:
    hosts = Hosts(camera_s=60.0)
    hosts.beat()
    sent = hosts.verdict(0.1)
    assert hosts.take(sent).header.outcome is Outcome.INVALID
    hosts.camera_s = 0.0
    hosts.beat(12.0)
    again = hosts.take(sent)
    assert not again.first
    assert again.header.outcome is Outcome.INVALID
    hosts.arrivals.conclude(again)
    assert hosts.take(sent).header == again.header
    later = Hosts()
    later.arrivals.conclude(again)
    assert later.judged(0.1) == (Outcome.INVALID, "clock"), "also after a restart of the sinks"


@pytest.mark.parametrize(("camera_s", "word"), [(60.0, "ahead of"), (-60.0, "behind")])
def test_a_clock_that_is_off_is_told_once_and_when_it_is_right_again(
    camera_s: float, word: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    hosts = Hosts(camera_s=camera_s)
    hosts.beat(30.0)
    hosts.camera_s = 0.0
    hosts.beat(30.0)
    first, last = (record.getMessage() for record in caplog.records)
    assert first.startswith(f"the clock of ingest top is 60.000 s {word} that of the sinks")
    assert last == "the clock of ingest top agrees with that of the sinks again"


def test_a_clock_at_the_bound_fills_no_log(caplog: pytest.LogCaptureFixture) -> None:
    hosts, turns = Hosts(), 300
    for _ in range(turns):
        # Two changes in twelve seconds: what was ahead counts for ten.
        hosts.camera_s = 2 * MAX_OFFSET_S
        hosts.beat(1.0)
        hosts.camera_s = 0.0
        hosts.beat(11.0)
    assert len(caplog.records) > turns / 2
    assert len(caplog.records) <= turns * 12 / TELL_EVERY_S + 1


def test_only_configured_cameras_become_labels() -> None:
    watched: dict[str, Callable[[], float]] = {}
    clock = FakeClock()
    judge = Clocks(clock, watch=watched.__setitem__, configured=lambda: {STREAM[:3]})
    judge.observe(camera(1, sent_ns=clock.wall_ns() + 2 * NS_PER_S))
    judge.observe(camera(1, stream=STREAM._replace(camera="stranger"), sent_ns=clock.wall_ns()))
    judge.observe(scorer_alive(process="stranger", sent_ns=clock.wall_ns() + NS_PER_S))
    assert {name: ahead_s() for name, ahead_s in watched.items()} == {
        "ingest top": 2.0,
        "scorer": 0.0,
    }


def test_a_late_verdict_keeps_its_reason_once_it_is_concluded() -> None:
    """LATE was sent, and LATE for another reason it is."""
    hosts = Hosts(camera_s=-1.0)
    hosts.beat(4.0)
    sent = hosts.verdict(0.5, Outcome.LATE)
    first = hosts.take(sent)
    assert first.header.reason == "clock_behind"
    hosts.arrivals.conclude(first)
    assert hosts.take(sent).header.reason == "clock_behind"
