"""What is not installed is said before the work."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from contract.errors import ConfigError
from flawline.app import app
from flawline.options import require


def test_what_is_missing_is_named_with_what_brings_it() -> None:
    require("json", extra="report")
    with pytest.raises(ConfigError, match=r"no_such is not installed.*'flawline\[report\]'"):
        require("no_such", extra="report")


def test_a_report_that_cannot_be_made_is_refused_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flawline.options.find_spec", lambda module: None)
    (tmp_path / "train" / "good").mkdir(parents=True)
    arguments = ["evaluate", str(tmp_path), "--report", str(tmp_path / "report.html")]
    for path in ("train/good/0.png", "test/good/0.png"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(b"x")
    with pytest.raises(ConfigError, match="jinja2 is not installed"):
        CliRunner().invoke(app, arguments, catch_exceptions=False)
