"""Labelled pictures are found in the layouts that the field has, or it is said what is missing."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from contract.errors import ConfigError, ImageError
from scorer.evaluation.dataset import VISA_MASK_LEVEL, Sample, read_dataset, read_mask
from tests.scorer.plates import save


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two categories in the layout of MVTec-AD; `cap` has no masks at all."""
    for name in ("cap", "nut"):
        for number in range(3):
            touch(tmp_path / name / "train" / "good" / f"{number}.png")
        touch(tmp_path / name / "test" / "good" / "0.png")
        touch(tmp_path / name / "test" / "bent" / "0.png")
    touch(tmp_path / "nut" / "ground_truth" / "bent" / "0_mask.png")
    touch(tmp_path / "license.txt")
    return tmp_path


def test_the_layout_of_mvtec_ad(root: Path) -> None:
    cap, nut = read_dataset(root)
    assert (cap.name, nut.name) == ("cap", "nut")
    assert len(nut.train) == 3
    assert [(sample.defect, sample.is_bad) for sample in nut.test] == [
        ("bent", True),
        ("good", False),
    ]
    assert nut.test[0].mask == root / "nut" / "ground_truth" / "bent" / "0_mask.png"
    assert nut.has_masks
    assert not cap.has_masks


@pytest.mark.parametrize("name", [".ipynb_checkpoints", "@eaDir", "__MACOSX", "lost+found"])
def test_what_people_did_not_put_there_is_left_out(root: Path, name: str) -> None:
    before = read_dataset(root)
    touch(root / name / "train" / "good" / "0.png")
    for folder in ("test", "ground_truth", "train"):
        touch(root / "nut" / folder / name / "notes.txt")
    touch(root / "nut" / "test" / "bent" / name / "0.png")
    assert read_dataset(root) == before


def test_one_category_alone_and_some_of_many(root: Path) -> None:
    assert [each.name for each in read_dataset(root / "nut")] == ["nut"]
    assert [each.name for each in read_dataset(root, ["nut"])] == ["nut"]
    with pytest.raises(ConfigError, match=r"no category 'bolt'.*one of cap, nut"):
        read_dataset(root, ["bolt"])


def test_masks_for_some_only_are_refused(root: Path) -> None:
    touch(root / "nut" / "test" / "bent" / "1.png")
    with pytest.raises(ConfigError, match=r"nut: 1 defective.*1\.png.*1_mask\.png"):
        read_dataset(root)


def test_folders_that_are_no_dataset(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no category in .*train/good"):
        read_dataset(tmp_path)
    with pytest.raises(ConfigError, match="is not a folder"):
        read_dataset(tmp_path / "nothing")
    touch(tmp_path / "nut" / "train" / "good" / "0.png")
    with pytest.raises(ConfigError, match="has no folder test"):
        read_dataset(tmp_path)
    (tmp_path / "nut" / "test" / "good").mkdir(parents=True)
    with pytest.raises(ImageError, match="no image in"):
        read_dataset(tmp_path)


def test_visa_by_its_split_file(tmp_path: Path) -> None:
    rows = [
        ("candle", "train", "normal", "candle/Data/Images/Normal/0.JPG", ""),
        ("candle", "test", "normal", "candle/Data/Images/Normal/1.JPG", ""),
        ("candle", "test", "anomaly", "candle/Data/Images/Anomaly/0.JPG", "candle/Masks/0.png"),
    ]
    (tmp_path / "split_csv").mkdir()
    with (tmp_path / "split_csv" / "1cls.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("object", "split", "label", "image", "mask"), *rows])
    [candle] = read_dataset(tmp_path)
    assert candle.train == (tmp_path / rows[0][3],)
    assert [sample.is_bad for sample in candle.test] == [False, True]
    assert candle.test[1].mask == tmp_path / rows[2][4]
    assert candle.has_masks
    assert candle.test[1].mask_level == VISA_MASK_LEVEL


def test_masks_as_each_data_set_has_them(tmp_path: Path) -> None:
    """VisA's hold the number of a kind of defect, MVTec-AD's are white; an empty one is refused."""
    numbers = np.zeros((8, 8), np.uint8)
    numbers[2:4, 2:5] = 1
    save(numbers, tmp_path / "mask.png")
    visa = Sample(tmp_path / "bad.JPG", "anomaly", tmp_path / "mask.png", VISA_MASK_LEVEL)
    assert read_mask(visa).sum() == 6
    white = Sample(tmp_path / "bad.png", "bent", tmp_path / "mask.png")
    with pytest.raises(ConfigError, match=r"mask\.png shows no defect.*above 127"):
        read_mask(white)


def test_a_split_file_of_another_kind(tmp_path: Path) -> None:
    (tmp_path / "split_csv").mkdir()
    (tmp_path / "split_csv" / "1cls.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ConfigError, match=r"not VisA's split file.*columns image, label"):
        read_dataset(tmp_path)
