"""The folder names are common words: what is imported must be ours."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", ["contract", "ingest", "scorer", "sinks", "flawline"])
def test_package_is_imported_from_this_tree(name: str) -> None:
    package = importlib.import_module(name)
    assert package.__file__ is not None
    assert Path(package.__file__).resolve() == ROOT / name / "__init__.py"
    assert (ROOT / name / "py.typed").is_file()
