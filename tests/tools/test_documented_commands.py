"""Commands that people copy from the documentation exist, with the options that stand there."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import typer

from flawline.app import app
from tools.docs.__main__ import PAGES

ROOT: Final = Path(__file__).resolve().parents[2]
PAGES_WITH_COMMANDS: Final = (*sorted(PAGES.glob("*.md")), ROOT / "README.md")
BLOCK: Final = re.compile(r"```sh\n(.*?)```", re.DOTALL)
INLINE: Final = re.compile(r"`([^`\n]*flawline [^`]+)`")
COMMAND: Final = re.compile(r"(?:^|&& |sudo -u flawline (?:\w+=\S+ )?)(?:\S*/)?flawline ([^|>&;]+)")
PLACEHOLDER: Final = re.compile(r"[A-Z]{2,}(?:\.json)?|\.\.\.")


def documented() -> Iterator[tuple[str, str]]:
    """Every command line of the pages, with its page."""
    for path in PAGES_WITH_COMMANDS:
        text = path.read_text("utf-8")
        lines = [line for block in BLOCK.findall(text) for line in block.splitlines()]
        for line in [*lines, *INLINE.findall(text)]:
            for command in COMMAND.findall(line.split(" #")[0]):
                yield path.name, command


@cache
def program() -> Any:
    """The command line; its classes are private to typer."""
    return typer.main.get_command(app)


def unknown(command: str) -> Iterator[str]:
    """What of a command line the program does not know."""
    known = program()
    name: list[str] = []
    words = shlex.split(command)
    while words and words[0] in getattr(known, "commands", {}):
        name.append(words.pop(0))
        known = known.commands[name[-1]]
    if hasattr(known, "commands"):
        rest = [word for word in words if not word.startswith("-")]
        if rest and not PLACEHOLDER.fullmatch(rest[0]):
            yield " ".join([*name, rest[0]])
            return
    spellings = {"--help"}
    for parameter in known.params:
        spellings |= {*parameter.opts, *parameter.secondary_opts}
    for word in words:
        if word.startswith("-") and word.split("=")[0] not in spellings and word != "-":
            yield " ".join([*name, word.split("=")[0]])


def test_every_documented_command_and_option_exists() -> None:
    found = list(documented())
    assert len(found) > 60
    missing = {(page, each) for page, command in found for each in unknown(command)}
    assert missing == set()


def test_a_command_that_does_not_exist_is_found() -> None:
    assert list(unknown("enrol --line bottles")) == ["enrol"]
    assert list(unknown("memory lst --line bottles")) == ["memory lst"]
    assert list(unknown("enroll --lines bottles --images x/")) == ["enroll --lines"]
    assert list(unknown("--debug COMMAND")) == []
