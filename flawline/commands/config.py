"""`flawline config`: check, schema, example, keys."""

from __future__ import annotations

import json
import os
from collections import Counter
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from contract.channels import ROLES
from contract.clock import SystemClock
from contract.config import Config
from contract.config_file import ConfigMistakes, locate_config
from contract.curve import create_keys
from contract.documents import CheckDocument, ConfigFinding, Probed
from contract.errors import EXIT_OK, EXIT_PERMANENT
from flawline.checks.checks import check, in_order
from flawline.checks.note import Note
from flawline.checks.probes import probes_of
from flawline.checks.trying import try_all
from flawline.options import (
    DEFAULT_CONFIG,
    AsJson,
    Command,
    ConfigPath,
    give_json,
    require_json_target,
)
from flawline.screen import Screen

app = typer.Typer(no_args_is_help=True, help="Check, explain and start configurations.")


@app.command("check", cls=Command)
def config_check(
    config: ConfigPath = DEFAULT_CONFIG,
    probe: Annotated[
        bool,
        typer.Option(
            "--probe",
            help="Also open cameras, read PLCs, greet webhooks, load the model, look at disks. "
            "Nothing is written, and no event is sent; a PLC that takes one connection only may "
            "drop that of a running station.",
        ),
    ] = False,
    as_json: AsJson = None,
) -> None:
    """Check a configuration: every mistake with its line and what would be right.

    Exit code 2 with errors, 0 with warnings alone. Passwords and secrets are looked for in this
    command's environment.
    """

    raise typer.Exit(check_config(config, probe=probe, as_json=as_json))


@app.command("schema", cls=Command)
def config_schema() -> None:
    """Print the JSON schema of the configuration, for editors."""

    print_schema()


@app.command("example", cls=Command)
def config_example() -> None:
    """Print a small configuration to start from."""

    print_example()


@app.command("keys", cls=Command)
def config_keys(directory: Annotated[Path, typer.Argument(help="Empty folder.")]) -> None:
    """Make the keys that encrypt tcp connections between hosts: a pair for each role."""

    make_keys(directory)


def check_config(path: Path, *, probe: bool, as_json: Path | None) -> int:
    """Tell what is wrong with the configuration in `path`; the exit code.

    Raises:
        ConfigError: the file cannot be read.
    """
    require_json_target(as_json)
    findings: list[ConfigFinding] = []
    probed: list[Probed] = []
    config = None
    try:
        config, places = locate_config(path)
    except ConfigMistakes as mistakes:
        findings += mistakes.findings
    else:
        findings += check(config, places, os.environ)
        if probe:
            for tried, notes in _tried(config, tuple(findings)):
                probed.append(tried)
                findings += [places.finding(*note) for note in notes]
    document = CheckDocument(
        file=str(path),
        ok=all(each.severity != "error" for each in findings),
        findings=tuple(in_order(list(dict.fromkeys(findings)))),
        probed=tuple(probed),
    )
    if not give_json(document, as_json):
        _tell(document, config)
    return EXIT_OK if document.ok else EXIT_PERMANENT


def _tried(
    config: Config, known: tuple[ConfigFinding, ...]
) -> list[tuple[Probed, tuple[Note, ...]]]:
    """All tries; nothing is printed meanwhile, because a spinner takes standard output over."""
    clock = SystemClock()
    with Screen(stderr=True).working("trying cameras, outputs, model and disks"):
        return list(try_all(probes_of(config, os.environ, clock), clock, known=known))


def _tell(document: CheckDocument, config: Config | None) -> None:
    screen, stderr = Screen(), Screen(stderr=True)
    for tried in document.probed:
        screen.say(f"{tried.name}: {'ok' if tried.ok else 'failed'}: {tried.text}")
    for finding in document.findings:
        severity = "not checked" if finding.severity == "unchecked" else finding.severity
        stderr.complain(severity, str(finding))
    counts = Counter(finding.severity for finding in document.findings)
    others = [f"{counts['warning']} warning(s)"] if counts["warning"] else []
    others += [f"{counts['unchecked']} not checked"] if counts["unchecked"] else []
    if config is None or not document.ok:
        told = [f"{counts['error']} error(s)", *others]
        stderr.say(f"{document.file}: {', '.join(told)}")
        return
    told = [
        f"station {config.station}",
        f"{len(config.lines)} line(s)",
        f"{len(config.cameras())} camera(s)",
        f"model {config.scorer.model.name}",
        *others,
    ]
    screen.say(f"{document.file}: ok: {', '.join(told)}")


def print_schema() -> None:
    """The JSON schema on standard output."""
    typer.echo(json.dumps(Config.model_json_schema(), indent=2))


def print_example() -> None:
    """A commented example on standard output."""
    typer.echo((files("flawline") / "assets" / "example.yaml").read_text("utf-8"), nl=False)


def make_keys(directory: Path) -> None:
    """Key pairs for the roles of a station in `directory`.

    Raises:
        ConfigError: it holds keys already or cannot be written.
    """
    create_keys(directory)
    Screen().say(
        f"{directory}: a key pair for each of {', '.join(ROLES)}. Copy *.key to each host of the "
        "station, ROLE.key_secret only to the hosts that act as this role, and accepted/ to those "
        "of scorer and sinks."
    )
