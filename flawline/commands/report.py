"""`flawline report`: what a line did in a period, as pages, CSV or JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple, TextIO

import typer

from contract.clock import Clock, SystemClock, local_text
from contract.config import Config
from contract.config_file import load_config
from contract.control import listening
from contract.errors import EXIT_OK, EXIT_RECOVERABLE, ConfigError
from flawline.files import require_folder, whole_document
from flawline.options import (
    DEFAULT_CONFIG,
    STANDARD_OUTPUT,
    ConfigPath,
    require,
)
from flawline.reports.frames_csv import FramesCsv
from flawline.reports.period import Period

if TYPE_CHECKING:
    from flawline.reports.line import LineReport
    from sinks.store.store import Store

DEFAULT_SINCE = "8h"


class Targets(NamedTuple):
    """Where a report goes; None: this form of it is not wanted."""

    pages: Path | None
    csv: Path | None
    json: Path | None


def report(
    line: Annotated[
        str | None, typer.Option(help="The line; may be left out if there is one only.")
    ] = None,
    since: Annotated[
        str, typer.Option(help="Start: 30m, 8h, 2d ago, or a time: 2026-09-21T06:00.")
    ] = DEFAULT_SINCE,
    until: Annotated[str | None, typer.Option(help="End, in the same way; now.")] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder, or a file that ends in .html, for the pages; report-LINE unless only "
            "--csv or --json is wanted."
        ),
    ] = None,
    csv: Annotated[
        Path | None, typer.Option(help="Write every frame here as CSV; - is standard output.")
    ] = None,
    as_json: Annotated[
        Path | None,
        typer.Option("--json", help="Write the figures here as JSON; - is standard output."),
    ] = None,
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Report what a line did: outcomes, defect rate, scores, rejects with pictures, the ledger.

    Times are local. Pages link the pictures where they lie. A period without frames gives an
    empty report. Exit 1 if the ledger does not balance.
    """
    targets = Targets(out, csv, as_json)
    raise typer.Exit(run_report(config, line, since, until, targets, clock=SystemClock()))


def run_report(
    config_path: Path,
    line: str | None,
    since: str,
    until: str | None,
    targets: Targets,
    *,
    clock: Clock,
) -> int:
    """Write what is wanted; 1 if the books of the period are not sound, else 0.

    Raises:
        ConfigError: no such line, a period that is none, two things for one standard output.
        StorageError: there is no store, or something cannot be written.
    """
    from sinks.store.store import Store

    if targets.csv == targets.json == STANDARD_OUTPUT:
        raise ConfigError("--csv - --json -", "only one of them can be on standard output")
    config = load_config(config_path)
    now_ns = clock.wall_ns()
    period = Period.parse(since, until, now_ns=now_ns)
    with Store.open_existing(config.store_url) as store:
        name = _line_of(line, config, store)
        if targets.pages is None and targets.csv is None and targets.json is None:
            targets = targets._replace(pages=Path(f"report-{name}"))
        found = _write(store, config, name, period, targets, now_ns=now_ns)
        if not found.digest.num_frames:
            typer.echo(f"line {name}: no frames from {period}{_hint(store, name)}", err=True)
    if not found.is_sound:
        typer.echo(f"line {name}: the ledger does not balance: see `flawline ledger`", err=True)
    return EXIT_OK if found.is_sound else EXIT_RECOVERABLE


def _line_of(line: str | None, config: Config, store: Store) -> str:
    """The line that is meant; one that was configured once is known by its books."""
    known = [each.name for each in config.lines]
    if line is None and len(known) == 1:
        return known[0]
    if line is not None and line not in known:
        known += sorted({book.key.line for book in store.books()} - set(known))
    if line not in known:
        asked = "--line is missing" if line is None else f"there is no line {line}"
        raise ConfigError(asked, f"the lines are {', '.join(known)}")
    return line


def _write(
    store: Store, config: Config, line: str, period: Period, targets: Targets, *, now_ns: int
) -> LineReport:
    from flawline.reports.reading import read_line

    for target in (targets.csv, targets.json):
        require_folder(target)
    if targets.pages is not None:
        for module in ("jinja2", "matplotlib"):
            require(module, extra="report")
    with _frames_csv(targets.csv) as also:
        running = listening(config, "verdicts")
        found = read_line(
            store, config, line, period, written_ns=now_ns, running=running, also=also
        )
    if targets.pages is not None:
        from flawline.reports.pages import write_pages

        _tell(write_pages(found, targets.pages))
    if targets.csv is not None:
        _tell(targets.csv)
    if targets.json is not None:
        from flawline.reports.document import document

        with _opened(targets.json) as file:
            file.write(json.dumps(document(found), indent=2) + "\n")
        _tell(targets.json)
    return found


@contextmanager
def _frames_csv(target: Path | None) -> Iterator[list[FramesCsv]]:
    if target is None:
        yield []
        return
    with _opened(target) as file:
        yield [FramesCsv(file)]


@contextmanager
def _opened(target: Path) -> Iterator[TextIO]:
    """A file to write text into.

    Raises:
        StorageError: naming why not.
    """
    if target == STANDARD_OUTPUT:
        yield sys.stdout
        return
    with whole_document(target) as file:
        yield file


def _tell(target: Path) -> None:
    if target != STANDARD_OUTPUT:
        typer.echo(f"report: {target}", err=True)


def _hint(store: Store, line: str) -> str:
    """When the line had news last."""
    news_ns = [book.updated_ns for book in store.books() if book.key.line == line]
    if not news_ns:
        return "; no camera of this line ever ran"
    return f"; its newest news is of {local_text(max(news_ns))}: choose another --since"
