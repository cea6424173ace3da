"""The folder names are common words: what is imported must be ours."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", ["contract", "ingest", "scorer", "sinks", "flawline"])
def test_package_is_imported_from_this_tree(name: str) -> None:
    found = find_spec(name)
    assert found is not None
    assert found.origin is not None
    assert Path(found.origin).resolve() == ROOT / name / "__init__.py"
    assert (ROOT / name / "py.typed").is_file()
