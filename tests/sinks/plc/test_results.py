"""Each verdict is handed back once, and as what the PLC was shown."""

from __future__ import annotations

from enum import Enum
from typing import Any

from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from hypothesis.strategies import integers, sampled_from

from contract.clock import NS_PER_S
from contract.messages import SCORED, Outcome
from contract.reasons import Fault, Reason
from contract.telling import Told
from sinks.arrival import Arrival, Arrivals
from sinks.plc.indication import Indication
from sinks.plc.registers import NO_BITS, Status
from sinks.plc.results import Results
from tests.fakes import FakeClock
from tests.sinks.kit import clocks, verdict

STAMPS = ("captured_ns", "decoded_ns", "received_ns", "emitted_ns")


class Fate(Enum):
    """What becomes of a write."""

    TOLD = "the PLC took it and said so"
    ANSWER_LOST = "the PLC took it"
    LOST = "it left, and the PLC never got it"
    REFUSED = "it did not leave, or the PLC refused it"


def came(
    frame_id: int, outcome: Outcome = Outcome.PASS, *, deadline_ns: int | None, now_ns: int
) -> Arrival:
    """A verdict that comes at `now_ns`."""
    stamps: dict[str, Any] = dict.fromkeys(STAMPS, now_ns)
    header = verdict(frame_id, outcome, deadline_ns=deadline_ns, **stamps)
    return Arrivals(clocks()).take(b"", header, now_ns).due(2.0)


def one_that_waits(clock: FakeClock) -> Results:
    """A PASS that is good for a second."""
    results = Results(clock, name="gate", hold_s=0.05)
    arrival = came(0, deadline_ns=clock.wall_ns() + NS_PER_S, now_ns=clock.wall_ns())
    results.add(arrival, Indication.of(arrival, camera=0, review_as="PASS"))
    return results


def test_what_was_withheld_and_not_answered_is_shown_as_good_to_nobody() -> None:
    """Else the gate opens for a part that is booked as LATE."""
    clock = FakeClock()
    results = one_that_waits(clock)
    withheld = results.take(Fault.CAMERA, clock.wall_ns())
    assert withheld is not None
    results.put_back(withheld, perhaps_told=True)
    again = results.take(Fault.NONE, clock.wall_ns())
    assert again is not None
    assert again.fault is Fault.RESULT_LATE
    results.told(again, NO_BITS)
    [booked] = results.concluded()
    assert (booked.header.outcome, booked.header.reason) == (Outcome.LATE, Reason.WITHHELD)


def test_what_could_not_be_written_in_time_is_late() -> None:
    clock = FakeClock()
    results = one_that_waits(clock)
    clock.advance(1.1)
    batch = results.take(Fault.NONE, clock.wall_ns())
    assert batch is not None
    results.told(batch, batch.indication.status(clock.wall_ns()))
    [booked] = results.concluded()
    assert (booked.header.outcome, booked.header.reason) == (Outcome.LATE, Reason.NOT_TOLD)


def test_what_was_given_up_never_passes_though_the_clock_steps_back() -> None:
    clock = FakeClock()
    results = one_that_waits(clock)
    clock.advance(1.1)
    results.expire()
    [booked] = results.concluded()
    assert booked.header.outcome is Outcome.LATE
    clock.step(-0.5)
    batch = results.take(Fault.NONE, clock.wall_ns())
    assert batch is not None
    assert batch.count == 1
    assert batch.indication.status(clock.wall_ns()) == NO_BITS


class PlcDay(RuleBasedStateMachine):
    """A PLC that answers, hangs and vanishes as it likes, on a line with and without faults."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.results = Results(self.clock, name="gate", hold_s=0.05)
        self.taken = 0
        self.handed_back: dict[int, Arrival] = {}
        self.shown: dict[int, list[Status]] = {}
        self.spoken_of: list[int] = []

    @rule(
        outcome=sampled_from([*Outcome, *[Outcome.PASS] * 6]),
        left_s=sampled_from([0.3, 0.5, -0.1, None]),
        count=integers(1, 2),
    )
    def verdicts_come(self, outcome: Outcome, left_s: float | None, count: int) -> None:
        for _ in range(count):
            now_ns = self.clock.wall_ns()
            deadline_ns = None if left_s is None else now_ns + round(left_s * NS_PER_S)
            arrival = came(self.taken, outcome, deadline_ns=deadline_ns, now_ns=now_ns)
            self.results.add(arrival, Indication.of(arrival, camera=0, review_as="PASS"))
            self.spoken_of.append(self.taken)
            self.taken += 1

    @rule(seconds=sampled_from([0.01, 0.06, 0.4]))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(seconds=sampled_from([-0.7, -0.2, 0.4]))
    def somebody_sets_the_clock(self, seconds: float) -> None:
        self.clock.step(seconds)

    @rule(
        fault=sampled_from([*[Fault.NONE] * 5, Fault.CAMERA]),
        fate=sampled_from([*[Fate.TOLD] * 4, *Fate]),
        meanwhile=sampled_from([*["nothing"] * 6, "a verdict", "too late", "stop"]),
    )
    def a_write(self, fault: Fault, fate: Fate, meanwhile: str) -> None:
        now_ns = self.clock.wall_ns()
        batch = self.results.take(fault, now_ns)
        if batch is None:
            return
        bits = NO_BITS if batch.fault else batch.indication.status(now_ns)
        assert not (bits and fault)
        # Also those that were given up since they came.
        spoken_of, self.spoken_of = self.spoken_of, []
        assert len(spoken_of) == batch.count
        if fate in (Fate.TOLD, Fate.ANSWER_LOST):
            for frame_id in spoken_of:
                self.shown.setdefault(frame_id, []).append(bits)
        match meanwhile:
            case "a verdict":
                self.verdicts_come(Outcome.PASS, 0.3, 1)
            case "too late":
                self.clock.advance(0.6)
                self.results.expire()
            case "stop":
                self.results.give_up()
        if fate is Fate.TOLD:
            self.results.told(batch, bits)
        else:
            self.results.put_back(batch, perhaps_told=fate is not Fate.REFUSED)
            if meanwhile != "stop":
                self.spoken_of = spoken_of + self.spoken_of

    @rule()
    def it_is_too_late_for_some(self) -> None:
        self.results.expire()

    def teardown(self) -> None:
        self.results.give_up()
        assert not self.results.count
        self._collect()
        assert len(self.handed_back) == self.taken
        for frame_id, shown in self.shown.items():
            if any(Status.PASS in bits for bits in shown):
                assert self.handed_back[frame_id].header.outcome in (Outcome.PASS, Outcome.REVIEW)
        assert self.results.idle

    @invariant()
    def _collect(self) -> None:
        for arrival in self.results.concluded():
            frame_id = arrival.header.frame_id
            assert frame_id not in self.handed_back, "handed back twice"
            self.handed_back[frame_id] = arrival
            self._is_what_was_shown(arrival)

    def _is_what_was_shown(self, arrival: Arrival) -> None:
        telling, outcome = arrival.telling, arrival.header.outcome
        assert telling is not None
        assert not telling.contradicts(outcome, judged=outcome)
        assert outcome in (arrival.sent, Outcome.LATE)
        shown = self.shown.get(arrival.header.frame_id, [])
        if any(Status.PASS in bits for bits in shown):
            assert outcome in (Outcome.PASS, Outcome.REVIEW)
        if telling.told in (Told.PASS, Told.FAIL):
            assert any(Status[telling.told.value] in bits for bits in shown)
        if telling.told is Told.UNTOLD:
            assert not shown
            assert outcome not in SCORED


TestPlcDay = PlcDay.TestCase
TestPlcDay.settings = settings(max_examples=200, stateful_step_count=20, deadline=None)
