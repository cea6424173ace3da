"""A real HTTP camera: MJPEG, behind a password."""

from __future__ import annotations

from contract.messages import CameraState
from tests.cameras import mjpeg_camera
from tests.ingest.station import Station

PASSWORD = "h2tp/s3cret:@"


def test_an_mjpeg_camera_is_sampled_by_arrival_and_opened_again_when_it_ends() -> None:
    credentials = {"username": "us@er", "password_env": "CAMERA_PASSWORD"}
    with mjpeg_camera(username="us@er", password=PASSWORD, fps=40, pictures=48) as url:
        camera = {"source": url, "credentials": credentials, "fps": 10}
        with Station(camera, environ={"CAMERA_PASSWORD": PASSWORD}) as station:
            station.until(lambda: station.state is CameraState.OUTAGE, "its end is an outage")
            before = len(station.frames)
            station.until(lambda: len(station.frames) > before, "frames come again")
            station.stop()
            assert station.until_exit() == 0
            assert "s3cret" not in station.output
    # 1.2 s at 10 a second, though libavformat's own timestamps would make it 1.9 s.
    assert 9 <= before <= 15
    assert all(frame.header.source_pts_ns is None for frame in station.frames)
    assert station.cameras[-1].stale == 0
