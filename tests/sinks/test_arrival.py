"""Late or not, first or again."""

from __future__ import annotations

from contract.codec import Verdict
from contract.messages import Outcome
from sinks.arrival import REMEMBERED_FRAMES, Arrivals
from tests.sinks.kit import STREAM, verdict


def test_a_result_after_its_deadline_is_late_and_keeps_its_score() -> None:
    sent = Verdict(verdict(0, Outcome.PASS, deadline_ns=1000))
    assert Arrivals().take(b"", sent, 1000).header.outcome is Outcome.PASS
    late = Arrivals().take(b"", sent, 1001)
    assert late.header.outcome is Outcome.LATE
    assert late.header.reason == "deadline_missed"
    assert late.header.anomaly_score == sent.header.anomaly_score
    assert late.sent is Outcome.PASS


def test_an_error_after_its_deadline_keeps_its_own_reason() -> None:
    for outcome in (Outcome.INVALID, Outcome.UNSCORED):
        sent = Verdict(verdict(0, outcome, deadline_ns=1000))
        assert Arrivals().take(b"", sent, 1001).header == sent.header


def test_a_second_delivery_keeps_the_first_judgement() -> None:
    receipt = Arrivals()
    in_time = Verdict(verdict(0, deadline_ns=1000))
    assert receipt.take(b"", in_time, 1000).first
    again = receipt.take(b"", in_time, 5000)
    assert not again.first
    assert again.header.outcome is Outcome.PASS
    other_epoch = Verdict(verdict(0, stream=STREAM._replace(epoch=1), deadline_ns=1000))
    assert receipt.take(b"", other_epoch, 5000).header.outcome is Outcome.LATE
    assert receipt.take(b"", other_epoch, 5000).header.outcome is Outcome.LATE


def test_memory_is_bounded() -> None:
    receipt = Arrivals()
    for frame_id in range(REMEMBERED_FRAMES + 10):
        receipt.take(b"", Verdict(verdict(frame_id)), 0)
    assert len(receipt._late["station", "belt", "top"]) == REMEMBERED_FRAMES
    assert receipt.take(b"", Verdict(verdict(0)), 0).first
    assert not receipt.take(b"", Verdict(verdict(REMEMBERED_FRAMES)), 0).first
