"""What a station is told of its lines, from real stores, sound and broken."""

from __future__ import annotations

import logging
import sqlite3
from pathlib import Path

import pytest

from contract.clock import SystemClock
from contract.config import Config
from contract.messages import Outcome
from flawline.station.survey import Survey
from sinks.ledger.book import Book
from sinks.store.store import Store
from tests.sinks.kit import STREAM, config_for, until


def _judged(config: Config, *, frames: int) -> None:
    """A book of the station, opened just now."""
    stream = STREAM._replace(epoch=SystemClock().wall_ns() // 1_000_000 + 1)
    book = Book(stream, opened_ns=0, admitted=frames)
    for frame_id in range(frames):
        book.settle(frame_id, Outcome.PASS, None, 0.0)
    with Store.open(config.store_url) as store:
        store.write(events=[], drops=[], books=[book])


def test_what_was_decided_since_the_start_is_told(tmp_path: Path) -> None:
    config = config_for(tmp_path)
    survey = Survey(lambda: config, SystemClock())
    _judged(config, frames=3)
    survey.start()
    until(lambda: survey.newest)
    figures = survey.last()
    assert figures is not None
    assert figures.lines["belt"].admitted == 3
    assert +figures.lines["belt"].totals == {(Outcome.PASS, ""): 3}
    assert survey.trouble == ""


@pytest.mark.parametrize("damage", ["no database", "no such book"])
def test_a_store_that_cannot_be_read_is_told_and_ends_nothing(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    config = config_for(tmp_path)
    survey = Survey(lambda: config, SystemClock())
    _judged(config, frames=3)
    path = Path(config.store_url.removeprefix("sqlite:///"))
    if damage == "no database":
        path.write_bytes(b"something else entirely" * 100)
    else:
        with sqlite3.connect(path) as connection:
            connection.execute("UPDATE ledger SET settled = '[7]'")
        connection.close()
    survey.start()
    until(lambda: survey.trouble)
    assert survey.last() is None
    logged = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(logged) == (damage == "no such book"), "a surprise is logged, once"
