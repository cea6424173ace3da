"""`flawline memory`: which reference memory judges a line, and going back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from contract.clock import SystemClock
from contract.config import Config
from contract.config_file import load_config
from contract.control import ask, listening
from contract.errors import FlawlineError
from contract.messages import RequestMessage, ShadowReport
from flawline.commands.enroll import line_of
from flawline.options import (
    DEFAULT_CONFIG,
    AsJson,
    Command,
    ConfigPath,
    give_json,
    require_json_target,
)
from flawline.reports.memories import (
    document_of,
    history_table,
    shadow_told,
    versions_table,
)
from flawline.screen import Screen

app = typer.Typer(
    no_args_is_help=True,
    help="Reference memories: which one judges, a shadow beside it, going back.",
)

LineName = Annotated[str, typer.Option("--line", "-l", help="The line.")]
Version = Annotated[str, typer.Argument(help="Version, as `list` shows it.")]
PointCommand = Literal["activate", "shadow", "promote", "rollback"]


@app.command("list", cls=Command)
def memory_list(
    line: LineName,
    history: Annotated[
        bool, typer.Option("--history", help="Also what was changed, when and by whom.")
    ] = False,
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = None,
) -> None:
    """List a line's versions, which of them judge, and how a shadow would have judged."""

    list_memories(config, line=line, history=history, as_json=as_json)


@app.command("activate", cls=Command)
def memory_activate(version: Version, line: LineName, config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Judge by this version from now on; no frame is lost.

    Without a running scorer it is checked and noted, and counts from the scorer's next start.
    """

    point(config, "activate", line=line, version=version)


@app.command("shadow", cls=Command)
def memory_shadow(
    line: LineName,
    version: Annotated[
        str | None, typer.Argument(help="Version; without one, no shadow any more.")
    ] = None,
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Have a version judge beside the active one, without a say; `list` counts disagreements."""

    point(config, "shadow", line=line, version=version)


@app.command("promote", cls=Command)
def memory_promote(line: LineName, config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Judge by the shadow from now on."""

    point(config, "promote", line=line)


@app.command("rollback", cls=Command)
def memory_rollback(line: LineName, config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Judge by the version that was active before; doing it twice returns."""

    point(config, "rollback", line=line)


@app.command("remove", cls=Command)
def memory_remove(version: Version, line: LineName, config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Delete a version for good; one that is active or the shadow is refused."""

    remove(config, line=line, version=version)


def list_memories(config_path: Path, *, line: str, history: bool, as_json: Path | None) -> None:
    """Tell the versions of `line`, which of them judge, and what its shadow would have said.

    Raises:
        ConfigError: no such line.
        StorageError: the memories cannot be read.
    """
    from scorer.references.shelf import Shelf

    require_json_target(as_json)
    config = load_config(config_path)
    line_of(config, line)
    running = listening(config) is not False
    report = _shadow_report(config, line) if running else None
    document = document_of(Shelf(config.memory_directory), line, history=history, report=report)
    if give_json(document, as_json):
        return
    screen = Screen()
    screen.print(versions_table(document))
    if history:
        screen.print(history_table(document))
    if report is not None:
        screen.say(shadow_told(report))
    elif document.shadow is not None:
        screen.say("no scorer answers: nothing is known of the shadow's verdicts")


def point(
    config_path: Path, command: PointCommand, *, line: str, version: str | None = None
) -> None:
    """Change which memory judges `line`; one that does not fit is refused.

    A scorer that runs does it, however busy it is. Only where none listens the pointers are
    changed here.

    Raises:
        ConfigError: no such line.
        FlawlineError: it is refused, with the reason, or the scorer does not answer.
    """
    from contract.process import user

    config = load_config(config_path)
    line_of(config, line)
    if listening(config) is False:
        done = _point_offline(config, command, line=line, version=version, by=user())
        Screen().say(f"{done}; no scorer runs, the next one will use it")
        return
    request = RequestMessage(
        command=command, line=line, memory_version=version, requested_by=user()[:80]
    )
    Screen().say(ask(config, request).text)


def _point_offline(
    config: Config, command: PointCommand, *, line: str, version: str | None, by: str
) -> str:
    """As the scorer would, with its checks, but without its model."""
    from scorer.references.shelf import Shelf
    from scorer.references.switch import carry_out, meant, require_fit

    shelf = Shelf(config.memory_directory)
    version = meant(shelf, line, command, version)
    if version is not None:
        require_fit(shelf, config.line(line), version, config.scorer.model)
    return carry_out(shelf, line, command, version, now_ns=SystemClock().wall_ns(), by=by)


def remove(config_path: Path, *, line: str, version: str) -> None:
    """Delete `version` of the memory of `line`.

    Raises:
        ConfigError: no such line, or the version is in use.
        StorageError: no such version, or the folder cannot be written.
    """
    from contract.process import user
    from scorer.references.shelf import Shelf

    config = load_config(config_path)
    line_of(config, line)
    now_ns = SystemClock().wall_ns()
    Shelf(config.memory_directory).remove(line, version, now_ns=now_ns, by=user())
    Screen().say(f"line {line}: {version} is removed")


def _shadow_report(config: Config, line: str) -> ShadowReport | None:
    try:
        return (ask(config, RequestMessage(command="status")).shadows or {}).get(line)
    except FlawlineError:
        return None
