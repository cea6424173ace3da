"""The benchmarks run and tell what they promise; what they measure is not judged here."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from benchmarks import growth
from benchmarks.growth import random_memory, references
from benchmarks.process import resident, shell
from benchmarks.speed import floor, speed
from contract.errors import ConfigError
from flawline.app import app
from flawline.commands.bench import run_bench
from scorer import WinClip
from scorer.windows.precision import has_bfloat16

DTYPES = ("float32", "bfloat16") if has_bfloat16("cpu") else ("float32",)
RATIOS = {
    f"{dtype}, cached, {state}, frames per second over uncached"
    for dtype in DTYPES
    for state in ("unchanged", "5x5 changed")
}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def numbers(figures: dict[str, Any]) -> list[float]:
    return [
        number
        for value in figures.values()
        for number in (numbers(value) if isinstance(value, dict) else [value])
    ]


def test_speed_has_every_contender(tmp_path: Path) -> None:
    figures = speed("flawline-mini", None, tmp_path, rounds=1, naive=False)
    assert set(figures["ratios"]) >= RATIOS
    assert all(math.isfinite(number) and number > 0 for number in numbers(figures))


def test_the_floor_has_the_products_of_the_pass() -> None:
    """Multiplications by hand, for the bundled model: 12 layers of width 192, 2,896 tokens."""
    from benchmarks.speed import _products

    tower = WinClip.load().backbone.tower
    layers, width, tokens = len(tower._blocks), tower.width, tower.tokens_per_image
    whole, kept = 226, 226 + 196 + 169
    by_hand = (
        whole * 3 * width**2  # first block, once per patch
        + (layers - 2) * tokens * 3 * width**2
        + tokens * 2 * width**2
        + kept * width**2  # the last block's query
        + (layers - 1) * tokens * 9 * width**2
        + kept * 9 * width**2
    )
    assert (
        sum(rows * inner * out * times for rows, inner, out, times in _products(tower)) == by_hand
    )
    assert floor(tower, "float32")() is None


def test_references_are_told_one_by_one(tmp_path: Path) -> None:
    figures = references("flawline-mini", None, dtype="float32", rounds=1, counts=(1, 4))
    assert list(figures["seconds to compare"]) == ["1", "4"]
    assert all(0 < share < 1 for share in figures["share of a frame"].values())


def test_lines_and_tiles_are_told_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growth, "LINES", (1, 2))
    monkeypatch.setattr(growth, "FRAMES", 2)
    monkeypatch.setattr(growth, "SIZES", {1: 1.0, 4: growth.SIZES[4]})
    shared = growth.lines("flawline-mini", None, dtype="float32", rounds=1)
    assert list(shared["over one line"]) == ["1", "2"]
    assert shared["over one line"]["1"] == 1.0
    tiled = growth.tiles("flawline-mini", None, dtype="float32", rounds=1)
    assert list(tiled["seconds a crop"]) == ["1", "4"]
    assert all(number > 0 for number in numbers(shared) + numbers(tiled))


def test_a_scorer_process_is_measured_from_outside(tmp_path: Path) -> None:
    """The model is the larger part of a round trip; memory is that of a process with a model."""
    for figures in shell(tmp_path, frames=4).values():
        assert figures["shell p50 ms"] < figures["round trip p50 ms"]
    figures = resident(tmp_path, {"name": "flawline-mini"}, lines=2, frames=4)
    assert 100 < figures["median of the last quarter"] <= figures["peak, with loading"]


def test_a_random_memory_can_be_scored_against() -> None:
    model = WinClip.load()
    memory = random_memory(model, 2)
    assert memory.num_references == 2
    result = model.score_pixels(torch.zeros(1, 3, 240, 240), memory=memory)
    assert 0 < float(result.anomaly_score) < 1


def test_json_from_the_command_line(tmp_path: Path) -> None:
    target = tmp_path / "figures.json"
    arguments = ["bench", "references", "--rounds", "1", "--json", str(target)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    document = json.loads(target.read_text())
    assert set(document) == {"machine", "model", "figures"}
    assert document["machine"]["torch"]
    assert set(document["figures"]) == {"references"}


def test_a_measurement_that_does_not_exist() -> None:
    with pytest.raises(ConfigError, match=r"no measurement 'sped'.*speed, lines"):
        run_bench(
            ["sped"],
            model="flawline-mini",
            weights=None,
            dtype="float32",
            rounds=1,
            frames=4,
            anomalib=None,
            naive=False,
            as_json=None,
        )
