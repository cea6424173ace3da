"""`flawline ledger`: the book as people and as programs read it."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
import yaml

from contract.clock import NS_PER_S, SystemClock
from contract.documents import LedgerDocument
from contract.messages import Outcome, StreamKey
from contract.telling import Told
from flawline.__main__ import run
from sinks.journal import FILE_NAME, Journal
from sinks.ledger.book import Book
from sinks.store.event import Event
from sinks.store.store import Store
from tests.sinks.kit import STREAM, arrival, metrics, verdict

S0 = 1_790_000_000 * NS_PER_S


def _store(
    directory: Path,
    *,
    admitted: int,
    told: int,
    ended: bool,
    age_s: int = 0,
    stream: StreamKey = STREAM,
) -> str:
    """A store with the book of one stream: so many PASS of the frames that were taken in."""
    now_ns = SystemClock().wall_ns()
    url = f"sqlite:///{directory / 'events.db'}"
    book = Book(
        stream,
        opened_ns=S0,
        updated_ns=now_ns - age_s * NS_PER_S,
        decoded=3 * admitted,
        ended=ended,
    )
    book.admit(admitted, 0.0)
    events = []
    for frame_id in range(told):
        book.settle(frame_id, Outcome.PASS, None, 0.0)
        header = verdict(frame_id, stream=stream, captured_ns=S0 + frame_id * NS_PER_S)
        events.append(Event.of(header, arrived_ns=S0, evidence=None))
    with Store.open(url) as store:
        store.write(events=events, drops=[], books=[book])
    return url


def test_a_running_stream_says_how_many_have_no_outcome_yet(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = _store(tmp_path, admitted=5, told=3, ended=False)
    target = tmp_path / "ledger.json"
    assert run(["ledger", "--store", url, "--json", str(target)]) == 0
    shown = capsys.readouterr().out
    assert "ledger balanced: yes (2 without an outcome yet)" in shown
    assert STREAM.camera in shown
    document = LedgerDocument.model_validate_json(target.read_text("utf-8"))
    assert (document.balanced, document.in_flight) == (True, 2)
    (book,) = document.books
    assert (book.camera, book.epoch, book.decoded) == (STREAM.camera, STREAM.epoch, 15)
    assert (book.admitted, book.open, book.outcomes[Outcome.PASS]) == (5, 2, 3)
    assert not book.closed
    assert book.rows_agree


def test_a_stream_that_ended_without_all_outcomes_does_not_balance(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = _store(tmp_path, admitted=5, told=3, ended=True, age_s=3600)
    assert run(["ledger", "--store", url, "--json"]) == 1
    document = LedgerDocument.model_validate_json(capsys.readouterr().out)
    assert not document.balanced
    assert run(["ledger", "--store", url]) == 1
    assert "ledger balanced: no" in capsys.readouterr().out


def test_a_book_that_nobody_keeps_any_more_does_not_balance(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A station that was killed: all that it told has an outcome, but it told not all."""
    url = _store(tmp_path, admitted=3, told=3, ended=False, age_s=3600)
    assert run(["ledger", "--store", url]) == 1
    shown = capsys.readouterr().out
    assert "ledger balanced: no" in shown
    assert "was never closed, and no sinks keep it" in shown


def test_open_books_of_a_station_that_does_not_run_are_closed_by_hand(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data").mkdir()
    config = tmp_path / "flawline.yaml"
    line = {"name": "belt", "cameras": [{"name": "top", "source": "x.mp4"}]}
    config.write_text(yaml.safe_dump({"data_directory": str(tmp_path / "data"), "lines": [line]}))
    command = ["ledger", "-c", str(config)]
    assert run([*command, "--close"]) == 1, "closing books begins no store"
    assert "there is no event store" in capsys.readouterr().err
    url = _store(tmp_path / "data", admitted=5, told=3, ended=False)
    assert run(command) == 1, "no sinks run, however new the book is"
    assert run([*command, "--close"]) == 0
    shown = capsys.readouterr()
    assert "closed: belt, top" in shown.err
    assert "2 UNSCORED because lost" in shown.out
    assert run(command) == 0
    with Store.open_existing(url) as store:
        [audit] = store.audit()
    assert audit.agrees
    assert audit.book.closed
    assert run(["ledger", "--store", url, "--close"]) == 2
    assert "--close with --store" in capsys.readouterr().err


def test_closing_books_what_was_judged_and_may_have_been_told(tmp_path: Path) -> None:
    """The sinks were killed after the PLC saw PASS, and before it was stored."""
    (tmp_path / "data").mkdir()
    config = tmp_path / "flawline.yaml"
    line = {"name": "belt", "cameras": [{"name": "top", "source": "x.mp4"}]}
    config.write_text(yaml.safe_dump({"data_directory": str(tmp_path / "data"), "lines": [line]}))
    url = _store(tmp_path / "data", admitted=5, told=2, ended=False)
    judged = Journal(tmp_path / "data" / FILE_NAME, clock=SystemClock(), metrics=metrics())
    with closing(judged):
        for frame_id in (1, 2, 3):  # the first is stored already
            judged.note(arrival(verdict(frame_id)))
    assert run(["ledger", "-c", str(config), "--close"]) == 0
    with Store.open_existing(url) as store:
        [audit] = store.audit()
    assert audit.agrees
    assert (audit.book.counts[Outcome.PASS], audit.book.unscored["lost"]) == (4, 1)


def test_what_the_plc_was_told_stands_beside_what_is_booked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = _store(tmp_path, admitted=3, told=3, ended=True)
    with Store.open(url) as store:
        [book] = store.books()
        book.told.update({Told.PASS: 2, Told.UNKNOWN: 1})
        store.write(events=[], drops=[], books=[book])
        assert run(["ledger", "--store", url]) == 0
        assert "what the PLC was told" in capsys.readouterr().out
        book.told_otherwise = 1
        store.write(events=[], drops=[], books=[book])
    assert run(["ledger", "--store", url, "--json"]) == 1
    document = LedgerDocument.model_validate_json(capsys.readouterr().out)
    [told] = document.books
    assert told.told == {Told.PASS: 2, Told.UNKNOWN: 1}
    assert (told.told_otherwise, told.balanced, document.balanced) == (1, True, False)
    assert run(["ledger", "--store", url]) == 1
    shown = capsys.readouterr().out
    assert "of 1 frames the PLC was told something else than is booked" in " ".join(shown.split())
    assert "ledger balanced: no" in shown


def test_a_run_that_began_in_no_year_is_shown_all_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    absurd = STREAM._replace(epoch=(1 << 63) - 1)
    url = _store(tmp_path, admitted=1, told=1, ended=True, stream=absurd)
    assert run(["ledger", "--store", url]) == 0
    assert f"epoch {absurd.epoch}" in capsys.readouterr().out
