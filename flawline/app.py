"""The table of commands. What is heavy is imported when a command is called."""

from __future__ import annotations

import logging
from typing import Annotated

import typer

from contract.process import configure_logging
from flawline.commands import (
    bench,
    calibrate,
    config,
    demo,
    enroll,
    evaluate,
    explain,
    ledger,
    memory,
    models,
    reload,
    report,
    run,
    score,
)
from flawline.commands.version import version_lines
from flawline.options import Command

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Visual inspection for conveyor lines: cameras in, verdicts out, in time for the gate.",
)
for command in (
    demo.demo,
    run.run,
    reload.reload,
    enroll.enroll,
    calibrate.calibrate,
    score.score,
    explain.explain,
    evaluate.evaluate,
    ledger.ledger,
    report.report,
    bench.bench,
):
    app.command(cls=Command)(command)
for name, group in (("config", config.app), ("models", models.app), ("memory", memory.app)):
    app.add_typer(group, name=name)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo("\n".join(version_lines()))
        raise typer.Exit


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show where errors come from.")] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_show_version,
            is_eager=True,
            help="Versions of Flawline and what scores depend on, and the weights' SHA-256.",
        ),
    ] = False,
) -> None:
    configure_logging("flawline", "debug" if debug else "warning")
    logging.getLogger("matplotlib").setLevel(logging.WARNING)
    logging.getLogger("PIL").setLevel(logging.INFO)
