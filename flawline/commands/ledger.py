"""`flawline ledger`: the book of every run of every camera."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from contract.config_file import load_config
from contract.documents import BookDocument, LedgerDocument
from contract.messages import Outcome
from flawline.options import DEFAULT_CONFIG, AsJson, ConfigPath, give_json, require_json_target
from flawline.reports.books import sound
from flawline.screen import Screen

if TYPE_CHECKING:
    from sinks.store.audit import Audit


def ledger(
    config: ConfigPath = DEFAULT_CONFIG,
    store: Annotated[
        str | None, typer.Option(help="Store URL, instead of the configuration's.")
    ] = None,
    as_json: AsJson = None,
) -> None:
    """Print the book: every admitted frame and its one outcome. Exit 1 if it does not balance."""

    raise typer.Exit(print_ledger(config, store_url=store, as_json=as_json))


def print_ledger(config_path: Path, *, store_url: str | None, as_json: Path | None) -> int:
    """Print all books, recounted from their rows; 0 if they are sound, else 1.

    Raises:
        StorageError: there is no store.
    """
    from sinks.store.store import Store

    require_json_target(as_json)
    url = store_url or load_config(config_path).store_url
    with Store.open_existing(url) as store:
        document = document_of(store.audit())
    if not give_json(document, as_json):
        _tell(document, Screen())
    return 0 if document.balanced else 1


def document_of(audits: Iterable[Audit]) -> LedgerDocument:
    """All books, and whether they are sound."""
    found = list(audits)
    return LedgerDocument(
        balanced=sound(found),
        in_flight=sum(audit.book.open_frames for audit in found),
        books=tuple(_book(audit) for audit in found),
    )


def _book(audit: Audit) -> BookDocument:
    book = audit.book
    return BookDocument(
        **book.key._asdict(),
        closed=book.closed,
        decoded=book.decoded,
        admitted=book.admitted,
        outcomes={outcome: book.counts[outcome] for outcome in Outcome},
        unscored=dict(book.unscored),
        open=book.open_frames,
        balanced=book.balanced,
        rows_agree=audit.agrees,
    )


def _tell(document: LedgerDocument, screen: Screen) -> None:
    screen.print(_table(document.books))
    for book in document.books:
        name = f"{book.line}, {book.camera}, {_started(book)}"
        for reason, frames in sorted(book.unscored.items()):
            screen.say(f"{name}: {frames} UNSCORED because {reason}")
        if not book.rows_agree:
            screen.say(f"{name}: the stored rows do not add up to the book", style="red")
    waiting = document.balanced and document.in_flight
    told = f" ({document.in_flight} without an outcome yet)" if waiting else ""
    screen.say(f"ledger balanced: {'yes' if document.balanced else 'no'}{told}")


def _table(books: Sequence[BookDocument]) -> Table:
    table = Table(
        title="every frame taken in for inspection has exactly one outcome",
        caption="decoded: what the camera gave; admitted: what was taken in for inspection",
    )
    for heading in ("line", "camera", "started (UTC)", "state"):
        table.add_column(heading)
    for heading in ("decoded", "admitted", *Outcome, "not yet"):
        table.add_column(str(heading), justify="right")
    for book in books:
        table.add_row(
            book.line,
            book.camera,
            _started(book),
            "closed" if book.closed else "open",
            str(book.decoded),
            str(book.admitted),
            *(str(book.outcomes[outcome]) for outcome in Outcome),
            str(book.open),
        )
    return table


def _started(book: BookDocument) -> str:
    return f"{datetime.fromtimestamp(book.epoch / 1000, UTC):%Y-%m-%d %H:%M:%S}"
