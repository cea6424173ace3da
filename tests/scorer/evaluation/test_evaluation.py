"""What is computed once and shared between runs gives the scores of scoring one by one."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from contract.errors import ConfigError
from scorer import WinClip
from scorer.evaluation.dataset import read_dataset
from scorer.evaluation.evaluation import evaluate
from tests.scorer.plates import write_plates


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_plates(tmp_path_factory.mktemp("data") / "plates")


def test_rows_say_what_scoring_each_picture_says(root: Path, mini: WinClip) -> None:
    """Features are shared between runs; the scores must be those of scoring one by one."""
    [category] = read_dataset(root)
    looked: list[None] = []
    rows = evaluate(mini, category, shots=(0, 2), seeds=2, step=lambda: looked.append(None))
    assert [(row.shots, row.num_seeds) for row in rows] == [(0, 1), (2, 2)]
    assert len(looked) <= len(category.test) + len(category.train), "each picture once"
    order = np.random.default_rng(0).permutation(3)[:2]
    memory = mini.enroll([np.array(Image.open(category.train[index])) for index in order])
    text = mini.text_prototypes("plates")
    for judged in rows[1].judged:
        image = np.array(Image.open(judged.sample.image))
        result = mini.score([image], text=text, memory=memory)
        assert judged.anomaly_score == pytest.approx(float(result.anomaly_score), abs=1e-6)
    assert math.isnan(rows[0].std.image_auroc)
    assert rows[1].ci95.low.image_auroc <= rows[1].mean.image_auroc
    assert rows[1].mean.pixel_auroc > 0.7, "a burnt square is found where it is"


def test_more_references_than_there_are(root: Path, mini: WinClip) -> None:
    [category] = read_dataset(root)
    with pytest.raises(ConfigError, match=r"plates has 3 good pictures.*up to 3"):
        evaluate(mini, category, shots=(4,), seeds=1)
