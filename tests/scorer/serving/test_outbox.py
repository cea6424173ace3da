"""Verdicts on their way: none is lost, silence has them sent again, and they are bounded."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
)

from contract.messages import VerdictMessage
from scorer.serving.outbox import Outbox
from tests.contract.examples import verdict_message
from tests.fakes import FakeClock

CAPACITY = 5
RESEND_S = 2.0


def verdict(delivery_id: int) -> VerdictMessage:
    return verdict_message(delivery_id=delivery_id)


def send_all(outbox: Outbox, now_s: float) -> list[int]:
    """Send what is due; the delivery ids in order."""
    left = []
    while (due := outbox.next(now_s)) is not None:
        outbox.sent(due, now_s)
        left.append(due.delivery_id)
    return left


def filled(count: int) -> Outbox:
    outbox = Outbox(capacity=CAPACITY, resend_after_s=RESEND_S)
    for delivery_id in range(count):
        outbox.add(verdict(delivery_id))
    return outbox


def test_in_order_and_once() -> None:
    outbox = filled(3)
    assert send_all(outbox, 0.0) == [0, 1, 2]
    assert send_all(outbox, RESEND_S - 0.01) == []


def test_what_stays_silent_is_sent_again() -> None:
    outbox = filled(3)
    send_all(outbox, 0.0)
    outbox.acknowledge((1,))
    assert send_all(outbox, RESEND_S) == [0, 2]
    assert send_all(outbox, RESEND_S) == []
    assert send_all(outbox, 2 * RESEND_S) == [0, 2]


def test_what_could_not_leave_stays_first() -> None:
    outbox = filled(2)
    for _ in range(3):
        due = outbox.next(0.0)
        assert due is not None
        assert due.delivery_id == 0


def test_acknowledged_twice_or_never_sent() -> None:
    outbox = filled(2)
    outbox.acknowledge((0, 0, 77))
    outbox.acknowledge((0,))
    assert send_all(outbox, 0.0) == [1]
    outbox.acknowledge((1,))
    assert len(outbox) == 0
    assert send_all(outbox, 100.0) == []


@given(st.integers(0, CAPACITY), st.integers(1, CAPACITY + 1))
def test_room(held: int, wanted: int) -> None:
    assert filled(held).has_room(wanted) == (held + wanted <= CAPACITY)


class OutboxMachine(RuleBasedStateMachine):
    """A scorer whose sinks answer late, twice or never."""

    held = Bundle("held")

    @initialize()
    def start(self) -> None:
        self.clock = FakeClock()
        self.outbox = Outbox(capacity=CAPACITY, resend_after_s=RESEND_S)
        self.unacknowledged: dict[int, float | None] = {}
        self.next_id = 0

    @rule(target=held)
    def judge(self) -> object:
        if not self.outbox.has_room():
            assert len(self.unacknowledged) == CAPACITY
            return multiple()
        self.outbox.add(verdict(self.next_id))
        self.unacknowledged[self.next_id] = None
        self.next_id += 1
        return self.next_id - 1

    @rule()
    def send(self) -> None:
        now_s = self.clock.monotonic_s()
        due = {
            delivery_id
            for delivery_id, sent_s in self.unacknowledged.items()
            if sent_s is None or now_s - sent_s >= RESEND_S
        }
        left = send_all(self.outbox, now_s)
        assert sorted(left) == sorted(due)
        for delivery_id in left:
            self.unacknowledged[delivery_id] = now_s

    @rule(delivery_id=held)
    def acknowledge(self, delivery_id: int) -> None:
        self.outbox.acknowledge((delivery_id,))
        self.unacknowledged.pop(delivery_id, None)

    @rule(delivery_id=consumes(held))
    def acknowledge_for_the_last_time(self, delivery_id: int) -> None:
        self.acknowledge(delivery_id)

    @rule(seconds=st.sampled_from([0.1, 1.0, RESEND_S, 10.0]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @invariant()
    def nothing_is_lost_and_nothing_grows(self) -> None:
        if hasattr(self, "outbox"):
            assert len(self.outbox) == len(self.unacknowledged) <= CAPACITY


TestOutboxMachine = OutboxMachine.TestCase
TestOutboxMachine.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)
