"""`flawline evaluate` on rendered parts with known defects."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from contract.errors import ConfigError
from flawline.app import app
from flawline.commands.evaluate import shots_of
from scorer.evaluation.published import MVTEC, VISA, published
from tests.scorer.plates import save, write_plates


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_plates(tmp_path_factory.mktemp("data") / "plates")


def test_the_command_prints_and_writes(root: Path, tmp_path: Path) -> None:
    as_json, report = tmp_path / "figures.json", tmp_path / "report.html"
    arguments = ["evaluate", str(root), "--shots", "0,1", "--seeds", "2"]
    result = CliRunner().invoke(app, [*arguments, "--json", str(as_json), "--report", str(report)])
    assert result.exit_code == 0, result.output
    assert "plates" in result.output
    document = json.loads(as_json.read_text())
    assert document["model"] == "flawline-mini"
    assert document["preset"] == "paper"
    assert len(document["weights_sha256"]) == 64
    [words, one] = document["categories"]
    assert (words["category"], words["shots"], one["shots"]) == ("plates", 0, 1)
    for name in ("image_auroc", "image_aupr", "image_f1_max", "pixel_auroc", "pixel_pro"):
        low, high = one["ci95"][name]
        assert 0 <= low <= high <= 1
        assert 0 <= one[name] <= 1
        assert words["std"][name] is None, "one choice has no spread"
    assert document["mean"]["1"]["image_auroc"] == one["image_auroc"]
    html = report.read_text()
    assert "not the published weights" in html
    assert "burnt/0.png" in html
    assert not re.search(r"(src|href)=.https?:", html), "it needs no network"


def test_a_single_number_of_references_has_its_dot_at_its_tick(root: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    arguments = ["evaluate", str(root), "--shots", "1", "--seeds", "1", "--report", str(report)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    html = report.read_text()
    ticks = re.findall(r'id="xtick_[0-9]+".*?<use [^>]*x="([0-9.]+)"', html, re.DOTALL)
    dots = re.findall(r'clip-path="[^"]*">\s*<use [^>]*x="([0-9.]+)"', html)
    assert len(set(ticks)) == 2, "image and pixel AUROC"
    assert set(ticks) <= set(dots)


def test_without_masks_there_are_no_pixel_figures(root: Path, tmp_path: Path) -> None:
    for kind in ("train/good", "test/good", "test/burnt"):
        for path in (root / kind).iterdir():
            save(np.array(Image.open(path)), tmp_path / "plates" / kind / path.name)
    target = tmp_path / "figures.json"
    arguments = ["evaluate", str(tmp_path), "--shots", "1", "--seeds", "1", "--json", str(target)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    [row] = json.loads(target.read_text())["categories"]
    assert row["pixel_auroc"] is None
    assert row["image_auroc"] is not None


def test_a_file_that_cannot_be_written_is_said_before_the_work(root: Path, tmp_path: Path) -> None:
    target = tmp_path / "nowhere" / "report.html"
    result = CliRunner().invoke(app, ["evaluate", str(root), "--report", str(target)])
    assert result.exit_code != 0
    assert "there is no folder" in str(result.exception)


@pytest.mark.parametrize("text", ["", "a", "1,,2", "-1", "1;2"])
def test_numbers_of_references_that_are_none(text: str) -> None:
    with pytest.raises(ConfigError, match="such as 0,1,2,4,8"):
        shots_of(text)
    assert shots_of("4,0,1") == (0, 1, 4)


def test_published_figures_stand_beside_whole_data_sets_only() -> None:
    rows = {(row.source, row.shots): row for row in published(MVTEC)}
    assert rows["paper", 0].image_auroc == pytest.approx(0.918)
    assert rows["paper", 4].pixel_pro == pytest.approx(0.890)
    assert rows["reproduction", 1].pixel_auroc == pytest.approx(0.936)
    assert published(VISA)[3].image_auroc == pytest.approx(0.873)
    assert published({"bottle"}) == ()


def test_an_ablation_of_the_paper(root: Path, tmp_path: Path) -> None:
    target = tmp_path / "table.json"
    arguments = ["evaluate", str(root), "--ablate", "table6", "--shots", "0,1", "--seeds", "1"]
    result = CliRunner().invoke(app, [*arguments, "--json", str(target)])
    assert result.exit_code == 0, result.output
    for label in ("patch", "+ window-3", "+ window-2", "pixel AUROC"):
        assert label in result.output
    assert "paper 9" not in result.output, "their values are of other pictures"
    document = json.loads(target.read_text())
    assert [(row["variant"], row["shots"]) for row in document["rows"]] == [
        ("patch", 1),
        ("+ window-3", 1),
        ("+ window-2", 1),
    ]
    for row in document["rows"]:
        [category] = row["categories"]
        assert row["mean"]["pixel_auroc"] == category["pixel_auroc"]
        low, high = category["ci95"]["pixel_auroc"]
        assert low <= category["pixel_auroc"] <= high
    assert document["rows"][2]["paper_on_mvtec_percent"] == {"pixel_auroc": 95.2}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--ablate", "table9"], "one of table3, table5, table6, table8"),
        (["--ablate", "table5", "--shots", "0"], "--shots 1,2,4"),
        (["--ablate", "table6", "--shots", "9"], "up to 3"),
        (["--ablate", "table3", "--report", "a.html"], "--json"),
        (["--ablate", "table3", "--preset", "anomalib"], "the paper's method"),
    ],
)
def test_ablations_that_cannot_be(root: Path, arguments: list[str], told: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(told)):
        CliRunner().invoke(app, ["evaluate", str(root), *arguments], catch_exceptions=False)
