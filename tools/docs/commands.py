"""Every command with its options, and what exit codes mean, from the command line itself."""

from __future__ import annotations

import inspect
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, Final

import typer

from contract import errors
from contract.errors import EXIT_OK, EXIT_PERMANENT, EXIT_RECOVERABLE, FlawlineError
from flawline.app import app
from tools.docs.markdown import code, prose, table

MEANINGS: Final = {
    EXIT_OK: "done",
    EXIT_RECOVERABLE: "failed, and may heal: try again, or let the supervisor restart it; also "
    "what a command found to be wrong, such as a book that does not balance",
    EXIT_PERMANENT: "will not heal without a person: wrong use, configuration, model or memory",
}


def commands() -> str:
    """A heading, a usage line, the help text and the options of each command."""
    return "\n\n".join(_walk(typer.main.get_command(app), "flawline", None))


def exit_codes() -> str:
    """A row per exit code: its meaning, and the errors that end with it."""
    by_code = defaultdict[int, list[str]](list)
    for name, kind in inspect.getmembers(errors, inspect.isclass):
        if issubclass(kind, FlawlineError) and kind is not FlawlineError:
            by_code[kind.exit_code].append(name)
    rows = (
        (exit_code, meaning, ", ".join(code(name) for name in by_code[exit_code]))
        for exit_code, meaning in MEANINGS.items()
    )
    return table(("code", "meaning", "errors"), rows)


# The command classes are private to typer, so they are only what they can do.
def _walk(command: Any, path: str, parent: Any) -> Iterator[str]:
    context = command.make_context(path, [], parent=parent, resilient_parsing=True)
    usage = " ".join([path, *command.collect_usage_pieces(context)])
    records = [(each, each.get_help_record(context)) for each in command.get_params(context)]
    rows = [
        (code(record[0]), prose(record[1]))
        for each, record in records
        if record is not None and each.name != "help"
    ]
    paragraphs = [prose(text) for text in inspect.cleandoc(command.help or "").split("\n\n")]
    options = table(("option", "meaning"), rows) if rows else ""
    depth = "#" * (3 + path.count(" "))
    yield "\n\n".join(
        filter(None, [f"{depth} `{path}`", *paragraphs, f"```\n{usage}\n```", options])
    )
    for name, child in sorted(getattr(command, "commands", {}).items()):
        yield from _walk(child, f"{path} {name}", context)
