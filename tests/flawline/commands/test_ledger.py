"""`flawline ledger`: the book as people and as programs read it."""

from __future__ import annotations

from pathlib import Path

import pytest

from contract.clock import NS_PER_S
from contract.documents import LedgerDocument
from contract.messages import Outcome
from flawline.__main__ import run
from sinks.ledger.book import Book
from sinks.store.event import Event
from sinks.store.store import Store
from tests.sinks.kit import STREAM, verdict

S0 = 1_790_000_000 * NS_PER_S


def _store(directory: Path, *, admitted: int, told: int, ended: bool) -> str:
    """A store with the book of one stream: so many PASS of the frames that were taken in."""
    url = f"sqlite:///{directory / 'events.db'}"
    book = Book(STREAM, opened_ns=S0, decoded=3 * admitted, ended=ended)
    book.admit(admitted, 0.0)
    events = []
    for frame_id in range(told):
        book.settle(frame_id, Outcome.PASS, None, 0.0)
        header = verdict(frame_id, captured_ns=S0 + frame_id * NS_PER_S)
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
    url = _store(tmp_path, admitted=5, told=3, ended=True)
    assert run(["ledger", "--store", url, "--json"]) == 1
    document = LedgerDocument.model_validate_json(capsys.readouterr().out)
    assert not document.balanced
    assert run(["ledger", "--store", url]) == 1
    assert "ledger balanced: no" in capsys.readouterr().out
