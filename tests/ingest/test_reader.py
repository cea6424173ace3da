"""The reader thread: outages answered, failures kept, stops obeyed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from contract.clock import SystemClock
from contract.config import Region
from contract.errors import SourceConfigError, SourceError
from contract.image import Pixels
from contract.messages import CameraState
from ingest.intake import Intake
from ingest.picture import Picture, Stream
from ingest.reader import Reader
from ingest.reconnect import Reconnect
from ingest.session import Session, begin
from tests.ingest.station import config_of

DEADLINE_S = 10.0
LIVE = {"source": "rtsp://127.0.0.1:1/never-opened"}


def picture(*, width_px: int = 64) -> Picture:
    def render(region: Region | None, size_px: int) -> Pixels:
        return np.zeros((size_px, size_px, 3), np.uint8)

    return Picture(width_px=width_px, height_px=48, render=render)


def start(
    directory: Path, camera: Mapping[str, object], open_source: Callable[[], Stream]
) -> tuple[Session, Reader]:
    session = begin(config_of(directory, camera), "left", SystemClock())
    reader = Reader(
        session,
        open_source=open_source,
        intake=Intake(session),
        reconnect=Reconnect(session.clock, random=lambda: 0.0),
    )
    reader.start()
    return session, reader


def until(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline_s


def test_a_live_source_is_opened_again_whether_it_ends_or_fails(tmp_path: Path) -> None:
    openings: list[int] = []
    hold = threading.Event()

    def open_source() -> Stream:
        openings.append(len(openings))
        if openings[-1] == 1:
            raise SourceError("no answer")
        yield picture()
        if openings[-1] == 3:
            hold.wait(DEADLINE_S)

    session, reader = start(tmp_path, LIVE, open_source)
    until(lambda: len(openings) == 4 and session.tally.state is CameraState.STREAMING)
    assert session.tally.restarts == 3
    assert session.slot.admitted == 3
    reader.stop()
    hold.set()
    reader.join(DEADLINE_S)
    assert not reader.is_alive()
    assert reader.failure is None


@pytest.mark.parametrize("failure", [SourceConfigError("no such thing"), RuntimeError("a bug")])
def test_what_waiting_does_not_mend_ends_the_reader(tmp_path: Path, failure: Exception) -> None:
    def open_source() -> Stream:
        yield picture()
        raise failure

    session, reader = start(tmp_path, LIVE, open_source)
    reader.join(DEADLINE_S)
    assert reader.failure is failure
    assert session.slot.closed
    assert session.slot.admitted == 1


def test_a_live_picture_that_outgrows_its_region_is_an_outage_and_at_opening_an_error(
    tmp_path: Path,
) -> None:
    region = {"x_px": 0, "y_px": 0, "width_px": 64, "height_px": 48}
    openings: list[int] = []

    def open_source() -> Stream:
        openings.append(1)
        if len(openings) == 1:
            yield picture()
        yield picture(width_px=32)

    session, reader = start(tmp_path, {**LIVE, "region": region}, open_source)
    reader.join(DEADLINE_S)
    assert session.tally.restarts == 1
    assert isinstance(reader.failure, SourceConfigError)
    assert "does not fit the 32x48 picture" in str(reader.failure)


def test_a_stop_frees_a_reader_that_waits_for_the_scorer(tmp_path: Path) -> None:
    def open_source() -> Stream:
        while True:
            yield picture()

    session, reader = start(tmp_path, {"source": "clip.mp4", "pace": "fast"}, open_source)
    until(lambda: session.slot.admitted == 4)
    reader.stop()
    reader.join(DEADLINE_S)
    assert not reader.is_alive()
    assert session.slot.admitted == 4
    assert session.tally.decoded in (4, 5)
