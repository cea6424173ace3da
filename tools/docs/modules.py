"""Folders and their modules, from what they say of themselves."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tools.docs.markdown import code, prose, table

ROOT: Final = Path(__file__).parents[2]
PROCESSES: Final = ("contract", "ingest", "scorer", "sinks", "flawline")


def folders() -> str:
    """A row per folder: what it is, and its modules."""
    rows = [
        (code(folder.relative_to(ROOT)), prose(_headline(folder)), ", ".join(_modules(folder)))
        for process in PROCESSES
        for folder in _packages(ROOT / process)
    ]
    return table(("folder", "what it is", "modules"), rows)


def _packages(folder: Path) -> Iterator[Path]:
    """`folder` and those below it that hold code of ours; migrations are written once."""
    yield folder
    for below in sorted(folder.glob("*/__init__.py")):
        if below.parent.name != "migrations":
            yield from _packages(below.parent)


def _headline(folder: Path) -> str:
    """The first paragraph of what the package says of itself."""
    text = ast.get_docstring(ast.parse((folder / "__init__.py").read_text("utf-8"))) or ""
    return text.split("\n\n", 1)[0]


def _modules(folder: Path) -> list[str]:
    return [code(path.stem) for path in sorted(folder.glob("*.py")) if path.stem[0] != "_"]
