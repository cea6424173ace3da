"""`flawline config`: check, schema, example, keys."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from contract.config import Config
from contract.config_file import load_config
from contract.curve import create_keys

app = typer.Typer(no_args_is_help=True, help="Check, explain and start configurations.")


@app.command("check")
def config_check(path: Annotated[Path, typer.Argument(help="Configuration file (YAML).")]) -> None:
    """Check a configuration: every mistake with its line and what would be right."""

    check(path)


@app.command("schema")
def config_schema() -> None:
    """Print the JSON schema of the configuration, for editors."""

    print_schema()


@app.command("example")
def config_example() -> None:
    """Print a small configuration to start from."""

    print_example()


@app.command("keys")
def config_keys(directory: Annotated[Path, typer.Argument(help="Empty folder.")]) -> None:
    """Make the keys that encrypt tcp connections between hosts."""

    make_keys(directory)


def check(path: Path) -> None:
    """Say what `path` configures.

    Raises:
        ConfigError: every mistake with its line.
    """
    config = load_config(path)
    cameras = config.cameras()
    typer.echo(
        f"{path}: ok: station {config.station}, {len(config.lines)} line(s), "
        f"{len(cameras)} camera(s), model {config.scorer.model.name}"
    )


def print_schema() -> None:
    """The JSON schema on standard output."""
    typer.echo(json.dumps(Config.model_json_schema(), indent=2))


def print_example() -> None:
    """A commented example on standard output."""
    typer.echo((files("flawline") / "assets" / "example.yaml").read_text("utf-8"), nl=False)


def make_keys(directory: Path) -> None:
    """Key pairs for a station in `directory`.

    Raises:
        ConfigError: it holds keys already or cannot be written.
    """
    create_keys(directory)
    typer.echo(
        f"{directory}: server and client keys. Copy the folder to each host of the station; "
        "server.key_secret only to those that bind (scorer and sinks)."
    )
