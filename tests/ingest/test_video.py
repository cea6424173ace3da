"""Video files, whole and damaged, and what is said about them."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from contract.errors import SourceConfigError, SourceError
from ingest.picture import Damage, Picture
from ingest.source import endless, kind_of
from ingest.video import read_file
from tests.ingest.media import HEIGHT_PX, WIDTH_PX, make_folder, make_video, make_y4m
from tests.ingest.station import config_of

FASTSTART = {"movflags": "faststart"}


def pictures(path: Path) -> list[Picture]:
    return [item for item in read_file(path) if isinstance(item, Picture)]


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mp4", "libx264"), ("a.mkv", "ffv1"), ("a.avi", "mpeg4"), ("a.ts", "libx264")],
)
def test_every_frame_of_a_file_comes_with_its_time(tmp_path: Path, name: str, codec: str) -> None:
    path = make_video(tmp_path / name, frames=30, fps=25, codec=codec)
    found = pictures(path)
    assert len(found) == 30
    first_ns = found[0].pts_ns or 0
    positions_ns = [(picture.pts_ns or 0) - first_ns for picture in found]
    assert positions_ns == pytest.approx([i * 40_000_000 for i in range(30)], abs=1_000_000)
    assert {(p.width_px, p.height_px, p.corrupt) for p in found} == {(WIDTH_PX, HEIGHT_PX, False)}
    assert found[0].keyframe


def test_a_file_that_is_cut_off_gives_what_it_has_and_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = make_video(tmp_path / "whole.mp4", frames=60, options=FASTSTART, noise=True)
    cut = tmp_path / "cut.mp4"
    data = whole.read_bytes()
    cut.write_bytes(data[: len(data) * 6 // 10])
    with caplog.at_level(logging.WARNING):
        assert 20 <= len(pictures(cut)) < 50
    assert f"{cut} ends early" in caplog.text
    caplog.clear()
    assert len(pictures(whole)) == 60
    assert caplog.text == ""


def test_undecodable_packets_are_left_out_and_the_rest_is_delivered(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", frames=60, options=FASTSTART, noise=True)
    data = bytearray(path.read_bytes())
    third = len(data) // 3
    data[third : 2 * third] = bytes(third)
    path.write_bytes(data)
    items = list(read_file(path))
    damages = [index for index, item in enumerate(items) if isinstance(item, Damage)]
    assert damages
    assert 20 <= len(items) - len(damages) < 60
    assert isinstance(items[-1], Picture)


def test_a_broken_container_delivers_its_good_part_and_fails(tmp_path: Path) -> None:
    items = read_file(make_y4m(tmp_path / "a.y4m", frames=9, broken_after=5))
    for _ in range(5):
        assert isinstance(next(items), Picture)
    with pytest.raises(SourceConfigError, match=r"a\.y4m"):
        next(items)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.mp4", None, "does not exist: give a video file or an image folder"),
        ("empty.mp4", b"", r"is empty \(0 bytes\): was the copy or recording cut off"),
        ("text.mp4", b"hello\n" * 100, "is not a video that can be read"),
        ("notes.txt", b"hello\n" * 100, "is not named like a video .*: for pictures give their"),
        ("part.png", b"\x89PNG\r\n", "is not named like a video .*: for pictures give their"),
    ],
)
def test_what_is_no_video_is_refused_by_name(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SourceConfigError, match=message) as caught:
        next(read_file(path))
    assert str(path) in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("source", "kind", "live"),
    [
        ("rtsp://10.0.0.7/live", "rtsp", True),
        ("RTSPS://10.0.0.7/live", "rtsp", True),
        ("https://10.0.0.7/mjpg", "http", True),
        ("/dev/video0", "device", True),
        ("/data/clip.mp4", "file", False),
        ("udp://10.0.0.7:1234", "unknown", False),
    ],
)
def test_the_kind_of_a_source_shows_in_its_name(source: str, kind: str, live: bool) -> None:
    assert (kind_of(source).name, kind_of(source).live) == (kind, live)


def test_an_unknown_kind_of_source_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    camera = config_of(tmp_path, {"source": "udp://10.0.0.7:1234"}).cameras()[0][1]
    with pytest.raises(SourceConfigError, match=r"camera left: unknown kind .* use rtsp"):
        kind_of(camera.source).open(camera, camera.source)


def test_a_missing_device_is_an_outage_because_it_may_be_plugged_in(tmp_path: Path) -> None:
    camera = config_of(tmp_path, {"source": "/dev/video97"}).cameras()[0][1]
    with pytest.raises(SourceError, match="/dev/video97") as caught:
        next(kind_of(camera.source).open(camera, camera.source))
    assert caught.value.exit_code == 1


def test_a_camera_that_refuses_is_named_without_its_password(tmp_path: Path) -> None:
    camera = config_of(tmp_path, {"source": "rtsp://127.0.0.1:1/live"}).cameras()[0][1]
    with pytest.raises(SourceError) as caught:
        next(kind_of(camera.source).open(camera, "rtsp://admin:hunter-3@127.0.0.1:1/live"))
    assert "hunter-3" not in repr(caught.value)
    assert caught.value.__cause__ is None
    assert "check that the camera is on, and the port" in str(caught.value)


def test_a_loop_goes_on_where_the_round_before_ended(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", frames=5, fps=25)
    rounds = endless(lambda: read_file(path))
    found = [item.pts_ns for item in (next(rounds) for _ in range(12)) if isinstance(item, Picture)]
    assert found == [i * 40_000_000 for i in range(12)]


def test_a_loop_over_nothing_ends(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "empty", images=0)
    camera = config_of(tmp_path, {"source": str(folder), "loop": True}).cameras()[0][1]
    with pytest.raises(SourceConfigError, match=r"no image in .*\.png"):
        list(endless(lambda: kind_of(str(folder)).open(camera, str(folder))))
