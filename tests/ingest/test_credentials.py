"""Passwords: found, encoded, forgotten by every text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from contract.config import Camera
from contract.errors import SourceConfigError
from contract.redact import redact
from ingest.credentials import location_of
from tests.ingest.station import config_of


def camera(directory: Path, **keys: Any) -> Camera:
    settings = {"source": "rtsp://10.0.0.7:554/live?x=1", **keys}
    return config_of(directory, settings).cameras()[0][1]


def test_the_password_is_encoded_into_the_url_and_redacted_from_every_text(tmp_path: Path) -> None:
    left = camera(tmp_path, credentials={"username": "ad min", "password_env": "CAMERA_PASSWORD"})
    url = location_of(left, {"CAMERA_PASSWORD": "p@ss:w/örd?"})
    assert url == "rtsp://ad%20min:p%40ss%3Aw%2F%C3%B6rd%3F@10.0.0.7:554/live?x=1"
    assert redact(f"{url} p@ss:w/örd? p%40ss%3Aw%2F%C3%B6rd%3F") == (
        "rtsp://***@10.0.0.7:554/live?x=1 *** ***"
    )


def test_a_password_file_is_read_anew_at_each_opening(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    credentials = {"username": "u", "password_file": str(secret)}
    left = camera(tmp_path, credentials=credentials)
    for password in ("hunter-1", "hunter-2"):
        secret.write_text(password + "\n")
        assert f"u:{password}@" in location_of(left, {})


def test_without_credentials_the_source_is_opened_as_it_is(tmp_path: Path) -> None:
    assert location_of(camera(tmp_path), {}) == "rtsp://10.0.0.7:554/live?x=1"


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"password_env": "CAMERA_PASSWORD"}, "environment variable CAMERA_PASSWORD is empty or"),
        ({"password_file": "/nowhere/password"}, "cannot read password file /nowhere/password"),
    ],
)
def test_a_missing_password_says_where_it_belongs(
    tmp_path: Path, keys: dict[str, str], message: str
) -> None:
    left = camera(tmp_path, credentials={"username": "u", **keys})
    with pytest.raises(SourceConfigError, match=message) as caught:
        location_of(left, {})
    assert caught.value.exit_code == 2


def test_a_file_takes_no_credentials(tmp_path: Path) -> None:
    credentials = {"username": "u", "password_env": "P"}
    left = camera(tmp_path, source="clip.mp4", credentials=credentials)
    with pytest.raises(SourceConfigError, match="takes no credentials"):
        location_of(left, {"P": "secret"})
