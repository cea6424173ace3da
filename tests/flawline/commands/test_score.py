"""`flawline score` as a new user types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from flawline.__main__ import run
from sinks.evidence.heatmap import crop_box
from tests.pictures import save_picture


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(2):
        save_picture(tmp_path / "good" / f"{number}.png", size=(250 + number, 240))
    save_picture(tmp_path / "shots" / "same.png")
    save_picture(tmp_path / "shots" / "spot.png", spot=True)
    return tmp_path


def scores(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, float]:
    assert run(["score", "--json", *arguments]) == 0
    document = json.loads(capsys.readouterr().out)
    assert len(document["weights_sha256"]) == 64
    return {Path(image["image"]).name: image["anomaly_score"] for image in document["images"]}


def test_against_references_the_odd_one_scores_higher(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = scores([str(folder / "shots"), "--reference", str(folder / "good")], capsys)
    assert found["spot.png"] > found["same.png"]


def test_by_words_alone_there_is_a_score_and_no_verdict(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["score", str(folder / "shots" / "same.png"), "--object", "metal plate"]) == 0
    assert "zero-shot: no threshold" in capsys.readouterr().out


def test_names_with_brackets_are_shown_whole(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_picture(folder / "p[front].png")
    (folder / "q[rear].png").write_bytes(b"")
    names = [str(folder / "p[front].png"), str(folder / "q[rear].png")]
    assert run(["score", *names, "--reference", str(folder / "good")]) == 1
    shown = capsys.readouterr()
    assert "p[front].png" in shown.out
    assert "without a promise" in shown.out
    assert "q[rear].png is empty" in shown.err


def test_a_bad_picture_is_named_and_the_others_are_scored(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shots = folder / "shots"
    (shots / "empty.png").write_bytes(b"")
    (shots / "cut.png").write_bytes((shots / "same.png").read_bytes()[:500])
    (shots / "text.jpg").write_text("not a picture")
    assert run(["score", str(shots)]) == 1
    shown = capsys.readouterr()
    assert "empty.png is empty (0 bytes)" in shown.err
    assert "cut.png is damaged or cut off" in shown.err
    assert "text.jpg is not an image that can be read" in shown.err
    assert "same.png" in shown.out
    assert "spot.png" in shown.out


def test_an_empty_reference_folder_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "none").mkdir()
    arguments = ["score", str(folder / "shots"), "--reference", str(folder / "none")]
    assert run(arguments) == 1
    assert "no image in" in capsys.readouterr().err


def test_heatmaps_are_written_for_looking_at(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = folder / "heat"
    arguments = [str(folder / "shots" / "spot.png"), "--reference", str(folder / "good")]
    assert run(["score", *arguments, "--heatmaps", str(target)]) == 0
    with (
        Image.open(target / "shots-spot.png-heatmap.jpg") as image,
        Image.open(folder / "shots" / "spot.png") as picture,
    ):
        assert image.width > image.height
        assert crop_box(image.size) == (0, 0, *picture.size)
