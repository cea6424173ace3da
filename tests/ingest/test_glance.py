"""A short look at a source tells what a camera gives, and leaves nothing open."""

from __future__ import annotations

from pathlib import Path

import pytest

from contract.clock import SystemClock
from contract.errors import SourceError
from ingest.glance import glance
from tests.cameras import mjpeg_camera
from tests.fakes import FakeClock
from tests.ingest.media import HEIGHT_PX, WIDTH_PX, make_folder, make_video
from tests.ingest.station import config_of


class Ticking(FakeClock):
    """A tenth of a second passes whenever somebody looks at it."""

    def monotonic_s(self) -> float:
        self.advance(0.1)
        return super().monotonic_s()


def test_size_and_rate_of_a_file_and_a_folder(tmp_path: Path) -> None:
    make_video(tmp_path / "clip.mp4", frames=10, fps=20)
    make_folder(tmp_path / "folder", images=3)
    for source, fps in (("clip.mp4", 20.0), ("folder", 4.0)):
        camera = config_of(tmp_path, {"source": source, "fps": 4.0}).cameras()[0][1]
        found = glance(camera, {}, SystemClock(), pictures=5, within_s=20)
        assert (found.width_px, found.height_px) == (WIDTH_PX, HEIGHT_PX)
        assert found.fps == pytest.approx(fps)
        one = glance(camera, {}, SystemClock(), within_s=20)
        assert one.fps is None


def test_the_rate_of_a_camera_without_timestamps_is_that_of_arrival(tmp_path: Path) -> None:
    with mjpeg_camera(username="u", password="pw", fps=10, pictures=40) as url:
        credentials = {"username": "u", "password_env": "PW"}
        camera = config_of(tmp_path, {"source": url, "credentials": credentials}).cameras()[0][1]
        found = glance(camera, {"PW": "pw"}, Ticking(), pictures=15, within_s=20)
    assert (found.width_px, found.height_px) == (160, 120)
    assert found.fps == pytest.approx(10)


def test_a_source_without_a_picture(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    camera = config_of(tmp_path, {"source": "text.mp4"}).cameras()[0][1]
    with pytest.raises(SourceError, match="not a video that can be read"):
        glance(camera, {}, SystemClock(), within_s=5)
