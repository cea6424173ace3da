"""Names that nobody configured, thousands of them, on the channels of a real sinks process."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from contract.errors import EXIT_OK
from contract.messages import Outcome
from sinks.admission import MAX_STRANGERS
from sinks.plc.registers import Status
from tests.plc import plc_server
from tests.sinks.kit import (
    STREAM,
    camera,
    config_for,
    end,
    existing,
    peers,
    running,
    scorer_alive,
    until,
    verdict,
)

ROGUES = 2000
UNKNOWN = "flawline_unknown_messages_total"


def test_strangers_are_no_labels_pass_no_part_and_have_bounded_books(
    short_directory: Path,
) -> None:
    with plc_server() as plc:
        config = config_for(
            short_directory / "data",
            modbus=[{"name": "gate", "line": "belt", "host": "127.0.0.1", "port": plc.port}],
        )
        with peers(config) as them, running(config, short_directory) as sinks:
            them.tell(camera(1), scorer_alive())
            until(lambda: plc.block.status & Status.ONLINE)
            before = len(sinks.scrape())
            for number in range(ROGUES):
                rogue = STREAM._replace(camera=f"rogue-{number}")
                them.tell(camera(1, stream=rogue), scorer_alive(process=f"rogue-{number}"))
                passed = verdict(0, stream=rogue, delivery_id=number, picture=True)
                them.send(passed)
                if not number % 200:
                    them.show(passed)
                    them.await_acks()
                    them.tell(camera(1), scorer_alive())
            them.await_acks()
            until(lambda: sinks.sample(UNKNOWN, channel="status") >= 2 * ROGUES)
            assert sinks.sample(UNKNOWN, channel="verdicts", standing="booked") == MAX_STRANGERS
            refused = sinks.sample(UNKNOWN, channel="verdicts", standing="refused")
            assert refused == ROGUES - MAX_STRANGERS
            until(lambda: sinks.sample(UNKNOWN, channel="evidence") == ROGUES / 200)
            booked = {"camera": "unknown", "verdict": "PASS"}
            until(lambda: sinks.sample("flawline_verdicts_total", **booked) == MAX_STRANGERS)
            text = sinks.scrape()
            assert "rogue" not in text
            assert len(text) < before + 4000
            assert plc.block.sequence == 0, "nobody but the line's cameras says PASS"
            assert not list(config.evidence_directory.rglob("*.jpg"))
            assert sinks.log.read_text().count("rogue") == 1
            them.tell(camera(1), scorer_alive(), end(1))
            them.send(verdict(0, Outcome.FAIL))
            them.await_acks()
            until(lambda: plc.block.sequence == 1)
            assert sinks.stop() == EXIT_OK
    with existing(config) as store:
        books = {audit.book.key.camera: audit for audit in store.audit()}
        assert len(books) == 1 + MAX_STRANGERS
        assert all(audit.agrees and audit.book.balanced for audit in books.values())
        assert books["top"].book.closed


def test_a_camera_that_was_removed_while_the_sinks_were_away_gets_its_book_closed(
    short_directory: Path,
) -> None:
    config = config_for(short_directory / "data")
    old = STREAM._replace(camera="removed")
    before = config_for(
        short_directory / "data",
        line={"cameras": [{"name": "removed", "source": "x.mp4"}]},
    )
    with peers(before) as them, running(before, short_directory) as sinks:
        them.tell(camera(2, stream=old))
        them.send(verdict(0, stream=old))
        them.await_acks()
        sinks.kill()
    with peers(config) as them, running(config, short_directory) as sinks:
        for number in range(100):
            them.tell(camera(1, stream=STREAM._replace(camera=f"rogue-{number}")))
        them.send(verdict(1, stream=old, delivery_id=1))
        them.await_acks()
        them.tell(end(2, stream=old))

        def closed() -> bool:
            with existing(config) as store:
                book = {book.key: book for book in store.books()}[old]
            return book.closed and book.counts == Counter({Outcome.PASS: 2})

        until(closed)
        assert sinks.stop() == EXIT_OK
