"""Who is let in: the configured ones, a few others for the book alone, nobody without end."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from contract.messages import StreamKey
from sinks.admission import MAX_RUNS, MAX_STRANGERS, RUNS_WITHIN_S, Admission, Standing
from sinks.metrics.metrics import Metrics
from sinks.metrics.roster import Camera, Cameras
from tests.fakes import FakeClock
from tests.sinks.kit import STREAM, camera, metrics, scorer_alive, value_of

OPEN_BOOK = StreamKey("station", "belt", "gone", 7)


class Door:
    """An admission, what it counted, and the roster that it sees."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.cameras = Cameras({STREAM[:3]})
        self.metrics: Metrics = metrics()
        booked: list[Camera] = [OPEN_BOOK[:3]]
        self.admission = Admission(
            "station", lambda: self.cameras, booked, clock=self.clock, metrics=self.metrics
        )

    def of(self, **names: Any) -> Standing:
        return self.admission.of_stream(STREAM._replace(**names), "verdicts")

    def counted(self, standing: Standing) -> float:
        return value_of(
            self.metrics, "unknown_messages_total", channel="verdicts", standing=standing
        )


@pytest.fixture
def door() -> Door:
    return Door()


def test_configured_cameras_are_known(door: Door) -> None:
    assert door.of() is Standing.KNOWN
    assert door.admission.of_status(camera(1)) is Standing.KNOWN
    assert door.admission.of_status(scorer_alive()) is Standing.KNOWN
    assert door.counted(Standing.BOOKED) == door.counted(Standing.REFUSED) == 0


def test_others_are_booked_until_there_are_too_many(door: Door) -> None:
    standings = [door.of(camera=f"rogue-{number}") for number in range(1000)]
    assert standings[:MAX_STRANGERS] == [Standing.BOOKED] * MAX_STRANGERS
    assert set(standings[MAX_STRANGERS:]) == {Standing.REFUSED}
    assert door.of(camera="rogue-0") is Standing.BOOKED, "its book stays open to it"
    assert door.counted(Standing.BOOKED) == MAX_STRANGERS + 1
    assert door.counted(Standing.REFUSED) == 1000 - MAX_STRANGERS
    assert door.of() is Standing.KNOWN


@pytest.mark.parametrize("names", [{"line": "other"}, {"station": "other"}, {"camera": "other"}])
def test_a_camera_is_known_by_all_its_names(door: Door, names: dict[str, str]) -> None:
    assert door.of(**names) is Standing.BOOKED


def test_a_camera_with_an_open_book_always_has_a_place(door: Door) -> None:
    """It was removed before these sinks began, and what is on its way must be booked."""
    for number in range(100):
        door.of(camera=f"rogue-{number}")
    assert door.admission.of_stream(OPEN_BOOK, "verdicts") is Standing.BOOKED


def test_a_reload_is_followed(door: Door) -> None:
    assert door.of(camera="new") is Standing.BOOKED
    door.cameras = Cameras({("station", "belt", "new")}, removed={STREAM[:3]})
    door.clock.advance(1.0)
    assert door.of(camera="new") is Standing.KNOWN
    assert door.of() is Standing.KNOWN, "what a removed camera still has on its way is its own"


def test_runs_of_a_camera_are_bounded(door: Door) -> None:
    standings = [door.of(epoch=epoch) for epoch in range(1000)]
    assert standings == [Standing.KNOWN] * MAX_RUNS + [Standing.REFUSED] * (1000 - MAX_RUNS)
    assert door.of(epoch=0) is Standing.KNOWN
    door.clock.advance(RUNS_WITHIN_S)
    assert door.of(epoch=0) is Standing.KNOWN
    flood = [door.of(epoch=epoch) for epoch in range(5000, 6000)]
    assert flood.count(Standing.KNOWN) == MAX_RUNS - 1, "those that are silent made room"
    assert door.of(epoch=0) is Standing.KNOWN, "the one that goes on did not"


@pytest.mark.parametrize("fields", [{"process": "rogue"}, {"process": "sinks"}])
def test_processes_are_those_of_the_table(door: Door, fields: dict[str, str]) -> None:
    assert door.admission.of_status(scorer_alive(**fields)) is Standing.REFUSED


def test_a_scorer_of_another_station_keeps_no_line_alive(door: Door) -> None:
    other = scorer_alive().model_copy(update={"station": "other"})
    assert door.admission.of_status(other) is Standing.REFUSED


def test_it_is_told_now_and_then(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        for number in range(100):
            door.of(camera=f"rogue-{number}")
        assert len(caplog.records) == 1
        assert "rogue-0" in caplog.text
        door.clock.advance(60.0)
        door.of(camera="rogue-7")
    assert len(caplog.records) == 2
