"""`flawline explain`: what a person reads, and a drawing that can be opened."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from contract.errors import ConfigError, StorageError
from flawline.app import app
from tests.scorer.pictures import part
from tests.scorer.plates import save


@pytest.fixture
def home(tmp_path: Path) -> Path:
    bad = part(3).copy()
    bad[96:128, 96:128] = np.random.default_rng(0).integers(0, 255, (32, 32, 3), dtype=np.uint8)
    save(bad, tmp_path / "bad.png")
    for number in (1, 2):
        save(np.ascontiguousarray(part(number)), tmp_path / "good" / f"{number}.png")
    return tmp_path


def explain(home: Path, *arguments: str) -> str:
    command = ["explain", str(home / "bad.png"), *arguments]
    result = CliRunner().invoke(app, command, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize("weight", ["0", "0.5"])
def test_against_references(home: Path, weight: str) -> None:
    out = home / "why.png"
    arguments = ("--reference", str(home / "good"), "--language-weight", weight)
    said = explain(home, *arguments, "--out", str(out))
    assert "anomaly score" in said
    assert "window-3" in said
    assert "nearest patch of the references:" in said
    assert ("of the anomalous prompts" in said) == (weight != "0")
    with Image.open(out) as drawn:
        assert drawn.width > 1200
        colours = np.asarray(drawn.convert("RGB")).reshape(-1, 3)
        assert len(np.unique(colours, axis=0)) > 500, "not empty"


def test_by_words_alone(home: Path) -> None:
    said = explain(home, "--object", "metal_nut", "--out", str(home / "why.svg"))
    assert "words" in said
    assert "metal nut" in said
    assert (home / "why.svg").read_text().startswith("<?xml")


def test_files_that_cannot_be_drawn(home: Path) -> None:
    with pytest.raises(ConfigError, match=r"ends in \.png"):
        explain(home, "--out", str(home / "why.txt"))
    with pytest.raises(StorageError, match="cannot write"):
        explain(home, "--out", str(home / "nowhere" / "why.png"))
