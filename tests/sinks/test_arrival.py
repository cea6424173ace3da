"""Late or not, first or again."""

from __future__ import annotations

from typing import Any

from contract.messages import Outcome
from contract.reasons import Reason
from contract.telling import Telling, Told
from sinks.arrival import REMEMBERED_FRAMES, Arrivals
from tests.sinks.kit import STREAM, clocks, verdict

STAMPS: dict[str, Any] = dict.fromkeys(
    ("captured_ns", "decoded_ns", "received_ns", "emitted_ns"), 500
)


def test_a_result_after_its_deadline_is_late_and_keeps_its_score() -> None:
    sent = verdict(0, Outcome.PASS, deadline_ns=1000, **STAMPS)
    assert Arrivals(clocks()).take(b"", sent, 1000).header.outcome is Outcome.PASS
    late = Arrivals(clocks()).take(b"", sent, 1001)
    assert late.header.outcome is Outcome.LATE
    assert late.header.reason == "deadline_missed"
    assert late.header.anomaly_score == sent.anomaly_score
    assert late.sent is Outcome.PASS


def test_an_error_after_its_deadline_keeps_its_own_reason() -> None:
    for outcome in (Outcome.INVALID, Outcome.UNSCORED):
        sent = verdict(0, outcome, deadline_ns=1000, **STAMPS)
        assert Arrivals(clocks()).take(b"", sent, 1001).header == sent


def test_a_second_delivery_keeps_the_first_judgement() -> None:
    arrivals = Arrivals(clocks())
    in_time = verdict(0, deadline_ns=1000, **STAMPS)
    assert arrivals.take(b"", in_time, 1000).first
    again = arrivals.take(b"", in_time, 5000)
    assert not again.first
    assert again.header.outcome is Outcome.PASS
    other_epoch = verdict(0, stream=STREAM._replace(epoch=1), deadline_ns=1000, **STAMPS)
    assert arrivals.take(b"", other_epoch, 5000).header.outcome is Outcome.LATE
    assert arrivals.take(b"", other_epoch, 5000).header.outcome is Outcome.LATE


def test_what_was_concluded_counts_for_what_comes_again() -> None:
    """The PLC could not be told in time: that is booked, however often the scorer sends it."""
    arrivals = Arrivals(clocks())
    sent = verdict(0, deadline_ns=1000, **STAMPS)
    first = arrivals.take(b"", sent, 900)
    assert arrivals.is_open(first)
    concluded = first.spoiled(Reason.NOT_TOLD).with_telling(Telling(name="gate", told=Told.UNTOLD))
    arrivals.conclude(concluded)
    again = arrivals.take(b"scorer", sent, 1100)
    assert not again.first
    assert not arrivals.is_open(again)
    assert (again.header, again.telling) == (concluded.header, concluded.telling)
    arrivals.recall(STREAM, 1)
    stored = arrivals.take(b"", verdict(1, deadline_ns=1000, **STAMPS), 1100)
    assert not stored.first
    assert not arrivals.is_open(stored)


def test_memory_is_bounded() -> None:
    arrivals = Arrivals(clocks())
    for frame_id in range(REMEMBERED_FRAMES + 10):
        arrivals.take(b"", verdict(frame_id), 0)
    assert len(arrivals._cameras["station", "belt", "top"]) == REMEMBERED_FRAMES
    assert arrivals.take(b"", verdict(0), 0).first
    assert not arrivals.take(b"", verdict(REMEMBERED_FRAMES), 0).first
