"""`flawline config check`: what is wrong, where, and, when asked, whether things are there."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from contract.config_file import load_config
from contract.documents import CheckDocument
from flawline.__main__ import run
from scorer.clip.models import known_sha256
from scorer.references.conformal import Calibration
from scorer.references.shelf import Shelf
from scorer.scoring.memory import Bank, Fingerprint, ReferenceMemory
from tests.cameras import RtspCamera
from tests.http_receiver import http_receiver
from tests.ingest.media import HEIGHT_PX, WIDTH_PX, make_folder, make_video
from tests.plc import free_port, plc_server
from tests.scorer.shelves import VERSION, WHO, manifest

PASSWORD = "s3cr3t/of the:c@mera"
SECRET = "whsec_" + base64.b64encode(b"0" * 24).decode()

WRONG = """\
lines:
  - name: bottles
    mask: nowhere.png
    cameras:
      - name: misspelt
        source: rtps://10.0.0.7/live
      - name: locked
        source: rtsp://10.0.0.7/live
        credentials: {username: u, password_env: FLAWLINE_TEST_NOT_SET}
      - name: missing
        source: nowhere.mp4
      - name: empty
        source: none
      - name: outside
        source: clip.mp4
        region: {x_px: 90, y_px: 0, width_px: 16, height_px: 16}
      - name: unplugged
        source: /dev/video99
  - name: cans
    mask: black.png
    cameras:
      - name: pictures
        source: folder
        region: {x_px: 0, y_px: 60, width_px: 16, height_px: 16}
scorer:
  model:
    name: ViT-B-16-plus-241
    weights: nowhere.safetensors
network:
  curve_directory: nowhere
sinks:
  store_url: postgres+nothing://hall:hunter2@db/flawline
  webhooks:
    - name: mes
      url: https://mes.example/flawline
      secret_env: FLAWLINE_TEST_NOT_SET
    - name: other
      url: https://mes.example/flawline
      secret_env: FLAWLINE_TEST_BAD
"""

FOUND = {
    "lines[0].mask": (3, "nowhere.png does not exist"),
    "lines[0].cameras[0].source": (6, "did you mean rtsps://?"),
    "lines[0].cameras[1].credentials": (9, "FLAWLINE_TEST_NOT_SET is empty or not set"),
    "lines[0].cameras[2].source": (11, "nowhere.mp4 does not exist"),
    "lines[0].cameras[3].source": (13, "no image in"),
    "lines[0].cameras[4].region": (16, f"does not fit the {WIDTH_PX}x{HEIGHT_PX} picture"),
    "lines[0].cameras[5].source": (18, "/dev/video99 is not there"),
    "lines[1].mask": (20, "black.png is black"),
    "lines[1].cameras[0].region": (24, f"does not fit the {WIDTH_PX}x{HEIGHT_PX} picture"),
    "scorer.model.name": (27, "did you mean 'ViT-B-16-plus-240'?"),
    "scorer.model.weights": (28, "nowhere.safetensors does not exist"),
    "network.curve_directory": (30, "make keys with `flawline config keys "),
    "sinks.store_url": (32, "sinks.store_url is not usable"),
    "sinks.webhooks[0].secret_env": (36, "FLAWLINE_TEST_NOT_SET is empty or not set"),
    "sinks.webhooks[1].secret_env": (39, "holds no signing secret"),
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what WRONG has right."""
    make_video(tmp_path / "clip.mp4", frames=3)
    make_folder(tmp_path / "folder", images=2)
    (tmp_path / "none").mkdir()
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "black.png")
    monkeypatch.delenv("FLAWLINE_TEST_NOT_SET", raising=False)
    monkeypatch.setenv("FLAWLINE_TEST_BAD", "whsec_a")
    return tmp_path


def write(home: Path, **changes: Any) -> Path:
    """A configuration that is right, but for `changes`."""
    document = {
        "data_directory": "data",
        "lines": [{"name": "belt", "cameras": [{"name": "left", "source": "folder"}]}],
        **changes,
    }
    path = home / "belt.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False), "utf-8")
    return path


def checked(
    path: Path, capsys: pytest.CaptureFixture[str], *options: str, exit_code: int
) -> CheckDocument:
    """What `config check --json` tells."""
    assert run(["config", "check", "-c", str(path), "--json", *options]) == exit_code
    shown = capsys.readouterr()
    assert PASSWORD not in shown.out + shown.err
    assert "hunter2" not in shown.out + shown.err
    return CheckDocument.model_validate_json(shown.out)


def test_every_mistake_is_told_with_its_line(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = home / "belt.yaml"
    path.write_text(WRONG, "utf-8")
    document = checked(path, capsys, exit_code=2)
    assert not document.ok
    errors = {each.key: each for each in document.findings if each.severity == "error"}
    assert sorted(errors) == sorted(FOUND)
    for key, (line, said) in FOUND.items():
        assert said in errors[key].text
        assert (errors[key].file, errors[key].line) == (str(path), line), key
    assert [each.line for each in document.findings] == sorted(
        each.line or 0 for each in document.findings
    )


def test_people_read_the_same_with_the_place_first(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(home, scorer={"model": {"weights": "[/red].pt", "name": "ViT-B-32"}})
    assert run(["config", "check", "-c", str(path)]) == 2
    shown = capsys.readouterr()
    assert f"error: {path}:9: scorer.model.weights: {home}/[/red].pt does not exist" in shown.err
    assert "1 error(s), 1 warning(s)" in shown.err
    assert "ok" not in shown.out


def test_warnings_alone_are_no_failure(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(home)
    assert run(["config", "check", "-c", str(path)]) == 0
    shown = capsys.readouterr()
    assert "warning: " in shown.err
    assert "line belt is not taught yet" in shown.err
    assert f"{path}: ok: station station, 1 line(s), 1 camera(s), model flawline-mini" in shown.out


def test_a_mistake_of_form_is_a_finding_too(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(home, scorer={"model": {"device": "gpu"}}, staton="x")
    document = checked(path, capsys, exit_code=2)
    assert {(each.key, each.line) for each in document.findings} == {
        ("scorer.model.device", 9),
        ("staton", 10),
    }
    assert "is called cuda" in next(each.text for each in document.findings if each.line == 9)


def test_the_default_file_is_flawline_yaml(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home)
    assert run(["config", "check"]) == 2
    assert "cannot read configuration flawline.yaml" in capsys.readouterr().err


OTHER = Fingerprint("mini", "0" * 64, "paper")


def _teach(path: Path, made_with: Fingerprint = OTHER, **changes: Any) -> None:
    """An active memory of line `belt`; nothing loads it here."""
    memory = ReferenceMemory((Bank(torch.ones(1, 4), (torch.ones(1, 3),)),), 4, made_with)
    shelf = Shelf(load_config(path).memory_directory)
    shelf.save(memory, manifest(memory, line="belt", regions={"left": None}, **changes))
    shelf.activate("belt", VERSION, **WHO)


CALIBRATED: Mapping[str, Any] = {
    "fail_threshold": 0.4321,
    "review_threshold": 0.3,
    "language_weight": 0.0,
    "calibration": Calibration(
        scores=(0.1, 0.2), false_reject_rate=0.005, false_reject_bound=0.01, review_rate=0.02
    ),
}


def test_a_fixed_threshold_that_sets_a_calibrated_one_aside_is_warned_of(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = {"name": "belt", "cameras": [{"name": "left", "source": "folder"}]}
    path = write(home, lines=[{"fail_threshold": 0.6, "review_threshold": 0.5, **line}])
    _teach(path, **CALIBRATED)
    warnings = {each.key: each for each in checked(path, capsys, exit_code=0).findings}
    assert "0.6 is fixed, so the calibrated 0.4321 (at most 0.50% of good" in (
        warnings["lines[0].fail_threshold"].text
    )
    assert "calibrated 0.3000 does not count" in warnings["lines[0].review_threshold"].text
    assert "UNSCORED: the reference memory was made with model mini" in warnings["lines[0]"].text
    path = write(home, lines=[line])
    assert {each.key for each in checked(path, capsys, exit_code=0).findings} == {"lines[0]"}


def test_a_fixed_threshold_without_calibration_is_none_to_warn_of(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = {"name": "belt", "cameras": [{"name": "left", "source": "folder"}]}
    path = write(home, lines=[{"fail_threshold": 0.6, **line}])
    _teach(path, language_weight=0.0)
    assert {each.key for each in checked(path, capsys, exit_code=0).findings} == {"lines[0]"}


def test_thresholds_of_another_compute_type_are_warned_of(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = {"name": "belt", "cameras": [{"name": "left", "source": "folder"}]}
    path = write(home, lines=[line], scorer={"model": {"dtype": "float32"}})
    mini = Fingerprint("flawline-mini", known_sha256("flawline-mini", None) or "", "paper")
    _teach(path, mini, dtype="bfloat16", language_weight=0.0)
    [finding] = checked(path, capsys, exit_code=0).findings
    assert finding.key == "lines[0]"
    assert "computed in bfloat16; those in float32 differ" in finding.text
    assert "calibrate it again" in finding.text


def test_what_cannot_be_checked_here_is_said_and_the_rest_is_checked(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = home / "belt.yaml"
    path.write_text(WRONG, "utf-8")
    monkeypatch.setattr(
        "flawline.checks.checks.find_spec", lambda module: None if module == "torch" else module
    )
    findings = checked(path, capsys, exit_code=2).findings
    unchecked = [each.text for each in findings if each.severity == "unchecked"]
    assert len(unchecked) == 2
    for text in unchecked:
        assert "torch is not installed here (pip install 'flawline[scorer]')" in text
    errors = {each.key for each in findings if each.severity == "error"}
    assert errors == set(FOUND) - {"scorer.model.name"}


def test_probing_what_is_there(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLAWLINE_TEST_PASSWORD", PASSWORD)
    monkeypatch.setenv("FLAWLINE_TEST_SECRET", SECRET)
    port = free_port()
    with (
        RtspCamera(user="inspector", password=PASSWORD) as camera,
        plc_server(port, base_register=100) as plc,
        http_receiver() as receiver,
    ):
        live = {
            "name": "right",
            "source": camera.url,
            "credentials": {"username": "inspector", "password_env": "FLAWLINE_TEST_PASSWORD"},
            "fps": 100,
            "region": {"x_px": 300, "y_px": 0, "width_px": 40, "height_px": 40},
            "open_timeout_s": 30.0,
            "read_timeout_s": 30.0,
        }
        files = {"name": "left", "source": "clip.mp4"}
        path = write(
            home,
            lines=[{"name": "belt", "cameras": [files, live]}],
            sinks={
                "webhooks": [
                    {"name": "mes", "url": receiver.url, "secret_env": "FLAWLINE_TEST_SECRET"}
                ],
                "modbus": [
                    {
                        "name": "gate",
                        "line": "belt",
                        "host": "127.0.0.1",
                        "port": port,
                        "base_register": 100,
                        "timeout_s": 5,
                    }
                ],
            },
        )
        document = checked(path, capsys, "--probe", exit_code=2)
    assert receiver.requests == [], "no event was sent"
    assert plc.blocks == [], "nothing was written"
    said = {each.name: each for each in document.probed}
    assert f"{WIDTH_PX} x {HEIGHT_PX} px, 25 frames a second" in said["camera left"].text
    assert "320 x 240 px" in said["camera right"].text
    assert not said["camera right"].ok, "its region is outside"
    assert "loaded on cpu" in said["model flawline-mini"].text
    assert "answers OPTIONS with 501" in said["webhook mes"].text
    assert "lets registers 100 to 111 be read" in said["PLC gate"].text
    assert "can be written (it will be made)" in said["event store"].text
    assert [each.name for each in document.probed if not each.ok] == ["camera right"]
    errors = [each for each in document.findings if each.severity == "error"]
    assert [each.key for each in errors] == ["lines[0].cameras[1].region"]
    assert "does not fit the 320x240 picture" in errors[0].text
    assert "100 frames a second are wanted" in next(
        each.text for each in document.findings if each.key.endswith(".fps")
    )
    assert not (home / "data").exists(), "trying makes no folder"


def test_probing_what_is_not_there(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLAWLINE_TEST_PASSWORD", PASSWORD)
    nowhere = free_port()
    camera = {
        "name": "right",
        "source": f"rtsp://127.0.0.1:{nowhere}/live",
        "credentials": {"username": "inspector", "password_env": "FLAWLINE_TEST_PASSWORD"},
    }
    lost = {"name": "left", "source": "nowhere.mp4"}
    hook = {"name": "mes", "url": f"http://127.0.0.1:{nowhere}/hook"}
    plc = {"name": "gate", "line": "belt", "host": "127.0.0.1", "port": nowhere}
    path = write(
        home,
        data_directory="folder/000.png/data",
        lines=[{"name": "belt", "cameras": [lost, camera]}],
        sinks={"webhooks": [hook], "modbus": [plc]},
    )
    document = checked(path, capsys, "--probe", exit_code=2)
    said = {each.name: each for each in document.probed}
    assert "not tried, because of its error" in said["camera left"].text
    assert "check that the camera is on, and the port" in said["camera right"].text
    assert "check host, port and certificate" in said["webhook mes"].text
    assert "no PLC answers at" in said["PLC gate"].text
    assert "cannot write" in said["memories"].text
    assert [each.name for each in document.probed if each.ok] == ["model flawline-mini"]
    keys = {each.key for each in document.findings if each.severity == "error"}
    assert {"lines[0].cameras[1]", "sinks.webhooks[0]", "sinks.modbus[0]"} <= keys
