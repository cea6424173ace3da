"""`flawline memory`: which reference memory judges a line, and going back."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table

from contract.config_file import load_config
from contract.control import ask
from contract.errors import FlawlineError
from contract.messages import RequestMessage, ShadowReport
from flawline.commands.enroll import line_of
from flawline.options import DEFAULT_CONFIG, ConfigPath

app = typer.Typer(
    no_args_is_help=True,
    help="Reference memories: which one judges, a shadow beside it, going back.",
)

LineName = Annotated[str, typer.Option("--line", "-l", help="The line.")]


@app.command("list")
def memory_list(line: LineName, config: ConfigPath = DEFAULT_CONFIG) -> None:
    """List a line's versions, which of them judge, and how a shadow would have judged."""

    list_memories(config, line=line)


@app.command("activate")
def memory_activate(
    version: Annotated[str, typer.Argument(help="Version, as `list` shows it.")],
    line: LineName,
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """MemoryInUse by this version from now on; no frame is lost."""

    point(config, "activate", line=line, version=version)


@app.command("shadow")
def memory_shadow(
    line: LineName,
    version: Annotated[
        str | None, typer.Argument(help="Version; without one, no shadow any more.")
    ] = None,
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Have a version judge beside the active one, without a say; `list` counts disagreements."""

    point(config, "shadow", line=line, version=version)


@app.command("promote")
def memory_promote(line: LineName, config: ConfigPath = DEFAULT_CONFIG) -> None:
    """MemoryInUse by the shadow from now on."""

    point(config, "promote", line=line)


@app.command("rollback")
def memory_rollback(line: LineName, config: ConfigPath = DEFAULT_CONFIG) -> None:
    """MemoryInUse by the version that was active before; doing it twice returns."""

    point(config, "rollback", line=line)


def list_memories(config_path: Path, *, line: str) -> None:
    """Print the versions of `line`, which of them judge, and what its shadow would have said.

    Raises:
        ConfigError: no such line.
        StorageError: the memories cannot be read.
    """
    from scorer.references.shelf import Shelf

    config = load_config(config_path)
    line_of(config, line)
    shelf = Shelf(config.memory_directory)
    roles = {shelf.shadowing(line): "shadow", shelf.active(line): "active"}
    table = Table("version", "in use", "made (UTC)", "by", "references", "FAIL at")
    for version in shelf.versions(line):
        manifest = shelf.manifest(line, version)
        table.add_row(
            version,
            roles.get(version, ""),
            f"{datetime.fromtimestamp(manifest.created_ns / 1e9, UTC):%Y-%m-%d %H:%M}",
            manifest.created_by,
            str(manifest.num_references),
            f"{manifest.fail_threshold:.4f}",
        )
    console = Console(width=None if Console().is_terminal else 160)
    console.print(table)
    try:
        report = (ask(config, RequestMessage(command="status")).shadows or {}).get(line)
    except FlawlineError:
        console.print("no scorer runs: nothing is known of a shadow's verdicts")
        return
    if report is not None:
        console.print(_told(report))


def point(
    config_path: Path,
    command: Literal["activate", "shadow", "promote", "rollback"],
    *,
    line: str,
    version: str | None = None,
) -> None:
    """Have the running scorer change which memory judges `line`; it refuses what does not fit.

    Raises:
        ConfigError: no such line.
        FlawlineError: no scorer runs, or it refuses, with the reason.
    """
    config = load_config(config_path)
    line_of(config, line)
    reply = ask(config, RequestMessage(command=command, line=line, memory_version=version))
    typer.echo(reply.text)


def _told(report: ShadowReport) -> str:
    parts = [f"{frames} {pair}" for pair, frames in report.disagreements.items()]
    said = ", ".join(parts) or "no disagreement"
    return f"shadow {report.version}: {report.frames} frames judged by both, {said}"
