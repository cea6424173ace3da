"""`flawline ledger`: the book of every run of every camera."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from contract.config_file import load_config
from contract.messages import Outcome
from flawline.options import DEFAULT_CONFIG, ConfigPath
from flawline.reports.books import sound

if TYPE_CHECKING:
    from sinks.store.audit import Audit


def ledger(
    config: ConfigPath = DEFAULT_CONFIG,
    store: Annotated[
        str | None, typer.Option(help="Store URL, instead of the configuration's.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print the book: every admitted frame and its one outcome. Exit 1 if it does not balance."""

    raise typer.Exit(print_ledger(config, store_url=store, as_json=as_json))


def print_ledger(config_path: Path, *, store_url: str | None, as_json: bool) -> int:
    """Print all books, recounted from their rows; 0 if they are sound, else 1.

    Raises:
        StorageError: there is no store.
    """
    from sinks.store.store import Store

    url = store_url or load_config(config_path).store_url
    with Store.open_existing(url) as store:
        audits = list(store.audit())
    is_sound = sound(audits)
    in_flight = sum(audit.book.open_frames for audit in audits)
    if as_json:
        typer.echo(json.dumps([_as_dict(audit) for audit in audits], indent=2))
    else:
        console = Console(width=None if Console().is_terminal else 160)
        console.print(_table(audits))
        for audit in audits:
            for reason, frames in sorted(audit.book.unscored.items()):
                console.print(f"{audit.book.key}: {frames} UNSCORED because {reason}")
            if not audit.agrees:
                console.print(f"{audit.book.key}: the rows do not add up to the book", style="red")
        waiting = f" ({in_flight} in flight)" if is_sound and in_flight else ""
        console.print(f"ledger balanced: {'yes' if is_sound else 'no'}{waiting}")
    return 0 if is_sound else 1


def _table(audits: list[Audit]) -> Table:
    table = Table(title="ledger: admitted = sum of outcomes")
    for heading in ("line", "camera", "started (UTC)", "state"):
        table.add_column(heading)
    for heading in ("decoded", "admitted", *Outcome, "in flight"):
        table.add_column(str(heading), justify="right")
    for audit in audits:
        book = audit.book
        table.add_row(
            book.key.line,
            book.key.camera,
            datetime.fromtimestamp(book.key.epoch / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S"),
            "closed" if book.closed else "open",
            str(book.decoded),
            str(book.admitted),
            *(str(book.counts[outcome]) for outcome in Outcome),
            str(book.open_frames),
        )
    return table


def _as_dict(audit: Audit) -> dict[str, object]:
    book = audit.book
    return {
        **book.key._asdict(),
        "closed": book.closed,
        "decoded": book.decoded,
        "admitted": book.admitted,
        "outcomes": {outcome.value: book.counts[outcome] for outcome in Outcome},
        "unscored": dict(book.unscored),
        "open": book.open_frames,
        "balanced": book.balanced,
        "rows_agree": audit.agrees,
    }
