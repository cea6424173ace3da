"""Station configurations, and what the repository promises about them."""

from __future__ import annotations

from pathlib import Path

import pytest

from contract.config import Config
from contract.config_file import load_config
from tests.deploy.kit import CONFIGS, ROOT

STATIONS = sorted(CONFIGS.glob("*.yaml"))


@pytest.fixture(scope="module")
def production() -> Config:
    return load_config(CONFIGS / "production.yaml")


def test_there_are_two() -> None:
    assert [path.name for path in STATIONS] == ["production.yaml", "station-compose.yaml"]


@pytest.mark.parametrize("path", STATIONS, ids=lambda path: path.stem)
def test_is_valid(path: Path) -> None:
    assert load_config(path).version == 1


def test_production_is_the_production_default(production: Config) -> None:
    model = production.scorer.model
    assert (model.name, model.pretrained) == ("ViT-B-16-plus-240", "laion400m_e32")
    assert (model.device, model.dtype) == ("cuda", "bfloat16")
    assert len(production.lines) == 3
    assert {plc.line for plc in production.sinks.modbus} == {"bottles", "castings"}
    assert all(hook.secret_env for hook in production.sinks.webhooks)


@pytest.mark.parametrize("path", STATIONS, ids=lambda path: path.stem)
def test_thresholds_are_left_to_calibration(path: Path) -> None:
    for line in load_config(path).lines:
        assert (line.fail_threshold, line.review_threshold) == (None, None)


def test_passwords_come_from_the_environment(production: Config) -> None:
    for _, camera in production.cameras():
        assert camera.source.startswith("rtsp://")
        assert camera.credentials is not None
        assert camera.credentials.password_env


def test_no_password_file_and_no_key_is_here() -> None:
    names = [path.name for path in CONFIGS.rglob("*")]
    assert not [name for name in names if name.endswith(("passwords", ".key", ".key_secret"))]


def test_licence() -> None:
    text = (ROOT / "LICENSE").read_text("utf-8")
    assert "Apache License" in text
    assert "Flawline contributors" in text
