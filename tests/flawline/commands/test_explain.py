"""`flawline explain`: what a person reads, and a drawing that can be opened."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from contract.clock import SystemClock
from contract.codec import Evidence
from contract.config_file import load_config
from contract.errors import ConfigError, StorageError
from contract.messages import EvidenceMessage, Outcome
from flawline.app import app
from scorer.references.shelf import Shelf
from scorer.scoring.winclip import load_model
from scorer.serving.evidence import encode_jpeg
from scorer.serving.lines import Lines
from sinks.evidence.album import Album
from sinks.evidence.evidence import evidence_path
from sinks.evidence.heatmap import render
from sinks.store.event import Event
from sinks.store.store import Store
from tests.scorer.pictures import Pixels, part
from tests.scorer.plates import save
from tests.sinks.kit import arrival, verdict


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


CONFIG = """
station: station
data_directory: data
lines:
  - name: belt
    inspection_px: 320
    mask: mask.png
    cameras:
      - name: top
        source: clip.mp4
        region: {x_px: 40, y_px: 20, width_px: 320, height_px: 320}
"""
SIDE_PX = 320


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A line with a region, a mask and four tiles, taught with two parts."""
    home = tmp_path_factory.mktemp("taught")
    (home / "station.yaml").write_text(CONFIG)
    mask = np.full((SIDE_PX, SIDE_PX), 255, np.uint8)
    mask[:, :48] = 0
    save(mask, home / "mask.png")
    for number in range(2):
        save(part(number, SIDE_PX), home / "references" / f"p[{number}]$1$.png")
    run(home, "enroll", "--line", "belt", "--images", str(home / "references"))
    return home


def run(home: Path, *arguments: str) -> str:
    command = [*arguments, "--config", str(home / "station.yaml")]
    result = CliRunner().invoke(app, command, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def burnt() -> Pixels:
    picture = part(7, SIDE_PX).copy()
    picture[272:304, 272:304] = 255 - picture[272:304, 272:304]
    return picture


def judged(home: Path, crop: Pixels, *, frame_id: int, outcome: Outcome, picture: bool) -> Event:
    """A frame that the line scored, as the sinks keep it: a row, and a picture or none."""
    config = load_config(home / "station.yaml")
    model, shelf = load_model(config.scorer.model), Shelf(config.memory_directory)
    line = Lines(config.lines, model, shelf, SystemClock())["belt"]
    result = model.score([crop], text=line.text, memory=line.memory, tiling=line.tiling)
    header = verdict(
        frame_id,
        outcome,
        anomaly_score=float(result.anomaly_score),
        memory_version=line.memory_version,
        picture=picture,
    )
    where = evidence_path(arrival(header))
    if where is not None:
        jpeg, anomaly_map = encode_jpeg(crop), result.anomaly_map[0].numpy()
        message = EvidenceMessage(
            verdict=header.record(), map_shape=anomaly_map.shape, jpeg_nbytes=len(jpeg)
        )
        album = Album(config.evidence_directory, max_bytes=1 << 30, max_age_s=1e6)
        album.put(where, render(Evidence(message, anomaly_map, jpeg), quality=88))
    event = Event.of(header, arrived_ns=header.times.emitted_ns, evidence=where)
    with Store.open(config.store_url) as store:
        store.write(events=[event], drops=[], books=[])
    return event


def test_a_stored_verdict_and_the_newest_fail_of_a_line(taught: Path) -> None:
    event = judged(taught, burnt(), frame_id=1, outcome=Outcome.FAIL, picture=True)
    judged(taught, part(8, SIDE_PX), frame_id=2, outcome=Outcome.PASS, picture=False)
    out = taught / "why.png"
    by_id = run(taught, "explain", "--event", event.event_id, "--out", str(out))
    newest = run(taught, "explain", "--line", "belt", "--out", str(out))
    assert by_id == newest
    said = " ".join(by_id.split())
    assert f"stored verdict {event.event_id}: FAIL, score {event.anomaly_score:.4f}" in said
    assert "a JPEG, not the frame itself: its score differs by" in said
    difference = float(said.split("differs by ")[1].split()[0])
    assert abs(difference) < 0.03
    assert "row 17" in said or "row 18" in said
    assert "seen in the tile from row 5, column 5 on" in said
    assert "nearest patch of the references: p[" in said
    with Image.open(out) as drawn:
        assert drawn.width > 1200


def test_a_picture_of_the_whole_view_as_the_line_sees_it(taught: Path) -> None:
    whole = np.zeros((400, 500, 3), np.uint8)
    whole[20:340, 40:360] = burnt()
    save(whole, taught / "whole.png")
    save(burnt(), taught / "crop.png")
    out = ("--line", "belt", "--out", str(taught / "why.png"))
    of_crop = run(taught, "explain", str(taught / "crop.png"), *out)
    of_whole = run(taught, "explain", str(taught / "whole.png"), "--whole-picture", *out)
    assert of_crop == of_whole
    with pytest.raises(StorageError, match="no reference memory v9"):
        run(taught, "explain", str(taught / "crop.png"), "--memory", "v9", *out)


def test_verdicts_that_cannot_be_explained(taught: Path) -> None:
    event = judged(taught, part(9, SIDE_PX), frame_id=3, outcome=Outcome.PASS, picture=False)
    with pytest.raises(ConfigError, match=r"no picture was kept .*pass_sample_fraction \(0\.02"):
        run(taught, "explain", "--event", event.event_id)
    gone = judged(taught, burnt(), frame_id=4, outcome=Outcome.REVIEW, picture=True)
    assert gone.evidence is not None
    (load_config(taught / "station.yaml").evidence_directory / gone.evidence).unlink()
    with pytest.raises(StorageError, match=r"is gone: .*REVIEW\.jpg"):
        run(taught, "explain", "--event", gone.event_id)
    with pytest.raises(ConfigError, match="no event 17 in the store"):
        run(taught, "explain", "--event", "17")


def test_what_goes_with_what() -> None:
    for arguments in (
        [],
        ["--memory", "v1"],
        ["x.png", "--event", "1"],
        ["x.png", "--memory", "v"],
    ):
        assert CliRunner().invoke(app, ["explain", *arguments]).exit_code == 2
