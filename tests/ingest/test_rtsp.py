"""A real RTSP camera that is switched off, locked, resized and frozen."""

from __future__ import annotations

import time

from contract.messages import CameraState
from tests.cameras import RtspCamera
from tests.ingest.station import Station

PASSWORD = "s3cr3t/of the:c@mera"


def test_a_camera_that_comes_and_goes_keeps_its_epoch() -> None:
    with RtspCamera() as camera:
        camera.kill()
        with Station({"source": camera.url, "fps": 10}) as station:
            station.until(lambda: station.state is CameraState.OUTAGE, "the outage is reported")
            camera.start()
            station.until(lambda: len(station.frames) >= 10, "frames come once it is there")
            assert station.frame_ids[0] == 0
            camera.kill()
            station.until(lambda: station.state is CameraState.OUTAGE, "the outage is reported")
            camera.start()
            before = len(station.frames)
            station.until(lambda: len(station.frames) >= before + 5, "frames come again")
            station.stop()
            assert station.until_exit() == 0
            output = station.output
    (end,) = station.ends
    assert end.reason == "stopped"
    assert {frame.header.epoch for frame in station.frames} == {end.epoch}
    assert sorted(station.frame_ids + station.dropped_ids) == list(range(end.admitted))
    last = station.cameras[-1]
    assert last.live
    assert last.restarts >= 2
    assert last.decoded == last.admitted + last.sampled_out + last.stale
    assert f"camera left: {camera.url}" in output
    assert "check that the camera is on, and the port" in output
    for header in (frame.header for frame in station.frames):
        assert 0 <= header.decoded_ns - header.captured_ns < 1_000_000_000
        assert header.deadline_ns == header.captured_ns + 1_000_000_000
        assert header.source_pts_ns is not None


def test_a_wrong_password_is_retried_and_never_shown() -> None:
    credentials = {"username": "inspector", "password_env": "CAMERA_PASSWORD"}
    with RtspCamera(user="inspector", password=PASSWORD) as camera:
        settings = {"source": camera.url, "credentials": credentials}
        wrong = {"CAMERA_PASSWORD": "wr0ng/of the:c@mera"}
        with Station(settings, environ=wrong) as station:
            station.until(lambda: station.state is CameraState.OUTAGE, "the outage is reported")
            station.until(lambda: station.cameras[-1].restarts >= 2, "it keeps trying")
            station.stop()
            assert station.until_exit() == 0
            assert "check credentials.username and the password" in station.output
            for secret in ("wr0ng", "c@mera", "c%40mera", "inspector"):
                assert secret not in station.output
        with Station(settings, environ={"CAMERA_PASSWORD": PASSWORD}) as station:
            station.until(lambda: len(station.frames) >= 3, "frames come with the right one")
            assert "s3cr3t" not in station.output


def test_another_picture_size_taints_the_frames() -> None:
    region = {"x_px": 0, "y_px": 0, "width_px": 100, "height_px": 100}
    with RtspCamera() as camera:
        with Station({"source": camera.url, "region": region}) as station:
            station.until(lambda: len(station.frames) >= 5, "frames come")
            camera.command("size 160 120")
            station.until(lambda: station.frames[-1].header.taint, "frames are tainted")
            assert station.frames[-1].header.taint == "size_changed"
            assert station.frames[0].header.taint is None
            assert "160x120" not in station.output
            camera.command("size 64 48")
            station.until(lambda: station.state is CameraState.OUTAGE, "no crop, no stream")
            assert "does not fit the 64x48 picture" in station.output
            tainted = len(station.frames)
            station.until(lambda: len(station.frames) > tainted + 3, "it comes back as it was")
            assert station.frames[-1].header.taint is None


def test_a_silent_camera_is_an_outage_and_does_not_delay_a_stop() -> None:
    with RtspCamera() as camera:
        with Station({"source": camera.url, "read_timeout_s": 1.0}) as station:
            station.until(lambda: station.frames, "frames come")
            camera.command("freeze")
            station.until(lambda: station.state is CameraState.OUTAGE, "the outage is reported")
            assert "nothing came for 1 s" in station.output
        with Station({"source": camera.url, "read_timeout_s": 60.0}) as station:
            station.until(lambda: station.frames, "frames come")
            camera.suspend()
            station.stop()
            stopped_s = time.monotonic()
            assert station.until_exit() == 0
            assert time.monotonic() - stopped_s < 10
        assert station.ends[0].reason == "stopped"
