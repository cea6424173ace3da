"""The `flawline` command: one clear line and a non-zero exit when something is wrong."""

from __future__ import annotations

import sys
import traceback

import click
import typer
from rich.console import Console

from contract.errors import EXIT_RECOVERABLE, FlawlineError
from contract.redact import redact
from flawline.app import app

INTERRUPTED = 130


def main() -> None:
    """Entry point of the console script."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """The exit code of `flawline ARGUMENTS`."""
    debug = "--debug" in arguments
    trace = ""
    stderr = Console(stderr=True, soft_wrap=True, highlight=False)
    try:
        code = typer.main.get_command(app).main(
            arguments, prog_name="flawline", standalone_mode=False
        )
        return int(code or 0)
    except click.exceptions.ClickException as error:
        error.show()
        return error.exit_code
    except (click.exceptions.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except FlawlineError as error:
        text, code, trace = str(error), error.exit_code, traceback.format_exc()
    except Exception as error:  # noqa: BLE001  (the process boundary: told in one line)
        text = f"internal error: {type(error).__name__}: {error} (--debug shows where)"
        code, trace = EXIT_RECOVERABLE, traceback.format_exc()
    if debug:
        stderr.print(redact(trace), markup=False)
    stderr.print("[bold red]error:[/]", end=" ")
    stderr.print(redact(text), markup=False)
    return code


if __name__ == "__main__":
    main()
