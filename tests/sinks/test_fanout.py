"""One sink's trouble never touches another's."""

from __future__ import annotations

import logging
import threading

import pytest

from sinks.arrival import Arrival, Arrivals
from sinks.fanout import Fanout
from tests.sinks.kit import arrival, clocks, metrics, until, value_of, verdict


class Recording:
    """A sink that notes what it is offered, with faults to order."""

    repeats = False

    def __init__(self, name: str, journal: list[str], *, room: int = 100, crashes: int = 0) -> None:
        self.name = name
        self.journal = journal
        self.room = room
        self.crashes = crashes
        self.starts = 0

    def offer(self, arrival: Arrival) -> bool:
        if self.room == 0:
            return False
        self.room -= 1
        self.journal.append(f"{self.name}:{arrival.header.frame_id}")
        return True

    def pending(self) -> int:
        return 3

    def work(self, stop: threading.Event) -> None:
        self.starts += 1
        if self.starts <= self.crashes:
            raise RuntimeError("broken on purpose")
        stop.wait()


class Record(Recording):
    repeats = True


def test_offers_keep_the_order_of_the_sinks_and_count_what_does_not_fit() -> None:
    journal: list[str] = []
    numbers = metrics()
    sinks = [Recording("plc", journal), Recording("slow", journal, room=1), Record("book", journal)]
    fanout = Fanout(sinks, numbers)
    receipt = Arrivals(clocks())
    for frame_id in (0, 1, 1):
        fanout.offer(arrival(verdict(frame_id), arrivals=receipt))
    assert journal == ["plc:0", "slow:0", "book:0", "plc:1", "book:1", "book:1"]
    assert value_of(numbers, "sink_dropped_total", sink="slow", reason="queue_full") == 1
    assert value_of(numbers, "sink_queue_items", sink="slow") == 3


def test_a_crashed_sink_starts_again(caplog: pytest.LogCaptureFixture) -> None:
    journal: list[str] = []
    numbers = metrics()
    weak, strong = Recording("weak", journal, crashes=2), Recording("strong", journal)
    fanout = Fanout([weak, strong], numbers)
    with caplog.at_level(logging.ERROR):
        fanout.start()
        until(lambda: weak.starts == 3)
        fanout.stop(5)
    assert strong.starts == 1
    assert value_of(numbers, "sink_errors_total", sink="weak", reason="crashed") == 2
    assert "broken on purpose" in caplog.text


def test_a_sink_that_does_not_stop_is_left_behind(caplog: pytest.LogCaptureFixture) -> None:
    release = threading.Event()

    class Stuck(Recording):
        def work(self, stop: threading.Event) -> None:
            release.wait()

    fanout = Fanout([Stuck("stuck", [])], metrics())
    fanout.start()
    fanout.stop(0.05)
    assert "sink stuck did not stop" in caplog.text
    release.set()
    fanout.stop(5)
