"""`flawline ledger`: the book of every run of every camera."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from contract.clock import SystemClock
from contract.config_file import load_config
from contract.control import listening
from contract.documents import BookDocument, LedgerDocument
from contract.errors import ConfigError, FlawlineError
from contract.messages import Outcome
from contract.telling import TOLD, Told
from flawline.options import DEFAULT_CONFIG, AsJson, ConfigPath, give_json, require_json_target
from flawline.reports.books import close_all, is_kept, sound
from flawline.screen import Screen
from flawline.station.presence import no_station

if TYPE_CHECKING:
    from sinks.store.audit import Audit


def ledger(
    config: ConfigPath = DEFAULT_CONFIG,
    store: Annotated[
        str | None, typer.Option(help="Store URL, instead of the configuration's.")
    ] = None,
    close: Annotated[
        bool,
        typer.Option(
            "--close", help="First close the books of a station that does not run any more."
        ),
    ] = False,
    as_json: AsJson = None,
) -> None:
    """Print the book: every admitted frame and its one outcome. Exit 1 if it does not balance.

    Beside it stands what the PLC was told of them. Exit 1, too, if that is not what is booked.

    The book of a station that was killed stays open: what it admitted last is not in it. The next
    start closes it, and so does --close, once no process of the station runs on any host: frames
    without an outcome become UNSCORED (lost).
    """

    raise typer.Exit(print_ledger(config, store_url=store, close=close, as_json=as_json))


def print_ledger(
    config_path: Path, *, store_url: str | None, close: bool, as_json: Path | None
) -> int:
    """Print all books, recounted from their rows; 0 if they are sound, else 1.

    Raises:
        ConfigError: `close` without a configuration, which says whether the station runs.
        FlawlineError: `close`, and the station runs.
        StorageError: there is no store.
    """
    from sinks.store.store import Store

    require_json_target(as_json)
    running = None
    if store_url is None:
        config = load_config(config_path)
        store_url, running = config.store_url, listening(config, "verdicts")
    elif close:
        raise ConfigError("--close with --store", "the configuration of the station, with -c")
    now_ns = SystemClock().wall_ns()
    if close:
        with no_station(config.run_directory):
            _close(store_url, config.data_directory, running=running, now_ns=now_ns)
    with Store.open_existing(store_url) as store:
        document = document_of(store.audit(), running=running, now_ns=now_ns)
    if not give_json(document, as_json):
        _tell(document, Screen())
    return 0 if document.balanced else 1


def _close(store_url: str, data: Path, *, running: bool | None, now_ns: int) -> None:
    from sinks.journal import FILE_NAME
    from sinks.store.store import Store

    if running is not False:
        known = "the station runs" if running else "it cannot be told whether the station runs"
        raise FlawlineError(f"{known}: its sinks keep the books", "stop the station first")
    Store.open_existing(store_url).database.close()  # Closing books begins no store.
    with Store.open(store_url) as store:
        closed = close_all(store, data / FILE_NAME, now_ns=now_ns)
    for book in closed:
        Screen(stderr=True).say(
            f"closed: {book.key.line}, {book.key.camera}, started {_moment(book.key.epoch)}"
        )


def document_of(audits: Iterable[Audit], *, running: bool | None, now_ns: int) -> LedgerDocument:
    """All books, and whether they are sound.

    Args:
        running: whether sinks run that keep the books; None: that cannot be told.
    """
    found = list(audits)
    return LedgerDocument(
        balanced=sound(found, running=running, now_ns=now_ns),
        in_flight=sum(audit.book.open_frames for audit in found),
        books=tuple(
            _book(audit, kept=is_kept(audit.book, running=running, now_ns=now_ns))
            for audit in found
        ),
    )


def _book(audit: Audit, *, kept: bool) -> BookDocument:
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
        kept=kept and not book.closed,
        rows_agree=audit.agrees,
        told=dict(book.told),
        told_otherwise=book.told_otherwise,
    )


def _tell(document: LedgerDocument, screen: Screen) -> None:
    screen.print(_table(document.books))
    if any(book.told for book in document.books):
        screen.print(_told_table(document.books))
    for book in document.books:
        name = f"{book.line}, {book.camera}, {_started(book)}"
        for reason, frames in sorted(book.unscored.items()):
            screen.say(f"{name}: {frames} UNSCORED because {reason}")
        if not book.closed and not book.kept:
            screen.say(
                f"{name}: was never closed, and no sinks keep it: {book.open} frames have no "
                "outcome, and what was admitted after the last report is not known. The next start "
                "of the station closes it, or `flawline ledger --close`",
                style="red",
            )
        if not book.rows_agree:
            screen.say(f"{name}: the stored rows do not add up to the book", style="red")
        if book.told_otherwise:
            screen.say(
                f"{name}: of {book.told_otherwise} frames the PLC was told something else than is "
                "booked. What the gate did follows from what the PLC was told",
                style="red",
            )
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


def _told_table(books: Sequence[BookDocument]) -> Table:
    meanings = "; ".join(f"{told}: {text}" for told, text in TOLD.items())
    caption = f"{meanings}. Several in one write are told as the worst of them"
    table = Table(title="what the PLC was told of them", caption=caption)
    for heading in ("line", "camera", "started (UTC)"):
        table.add_column(heading)
    for heading in (*Told, "not as booked"):
        table.add_column(str(heading), justify="right")
    for book in books:
        if book.told:
            counts = (*(book.told.get(told, 0) for told in Told), book.told_otherwise)
            table.add_row(book.line, book.camera, _started(book), *map(str, counts))
    return table


def _started(book: BookDocument) -> str:
    return _moment(book.epoch)


def _moment(epoch: int) -> str:
    """When a run started, as its epoch says: a clock that was wrong may say anything."""
    try:
        return f"{datetime.fromtimestamp(epoch / 1000, UTC):%Y-%m-%d %H:%M:%S}"
    except (ValueError, OverflowError, OSError):
        return f"epoch {epoch}"
