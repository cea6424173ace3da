"""Video files and image folders through the whole process."""

from __future__ import annotations

import signal
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from contract.messages import CameraState
from tests.ingest.media import make_folder, make_video, make_y4m, scene
from tests.ingest.station import INSPECTION_PX, Station


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 frames, 20 a second: 2 seconds."""
    return make_video(tmp_path_factory.mktemp("clip") / "clip.mp4", frames=40, fps=20)


def test_a_file_at_full_speed_arrives_whole_and_closes_its_book(clip: Path) -> None:
    with Station({"source": str(clip), "pace": "fast"}) as station:
        assert station.until_exit() == 0
        assert station.says_ready()
    assert station.frame_ids == list(range(40))
    assert station.drops == []
    (end,) = station.ends
    assert (end.reason, end.decoded, end.admitted) == ("finished", 40, 40)
    assert station.state is CameraState.ENDED
    assert station.cameras[-1].live is False
    headers = [frame.header for frame in station.frames]
    assert {(h.station, h.line, h.camera, h.epoch) for h in headers} == {end.stream}
    assert {(h.height_px, h.width_px) for h in headers} == {(INSPECTION_PX, INSPECTION_PX)}
    assert [h.source_pts_ns for h in headers] == [i * 50_000_000 for i in range(40)]
    assert all(h.deadline_ns is None and h.taint is None for h in headers)
    assert all(h.decoded_ns >= h.captured_ns for h in headers)


def test_a_file_at_full_speed_waits_for_a_slow_scorer(clip: Path) -> None:
    with Station({"source": str(clip), "pace": "fast"}, seconds_per_frame=0.03) as station:
        assert station.until_exit() == 0
    assert station.frame_ids == list(range(40))
    assert station.drops == []


def test_the_last_frames_reach_a_scorer_that_is_busy_for_long(clip: Path) -> None:
    """Longer than any heartbeat between the sockets, and with the queues full."""
    with Station({"source": str(clip), "pace": "fast"}) as station:
        station.until(lambda: len(station.frames) == 25, "frames come")
        station.pause_scorer(3.5)
        assert station.until_exit() == 0
    assert station.frame_ids == list(range(40))


def test_a_file_at_full_speed_waits_for_a_scorer_that_comes_late(clip: Path) -> None:
    with Station({"source": str(clip), "pace": "fast"}, scorer=False) as station:
        station.until(lambda: len(station.cameras) > 3, "heartbeats without a scorer")
        assert station.cameras[-1].admitted < 10
        station.start_scorer()
        assert station.until_exit() == 0
    assert station.frame_ids == list(range(40))


def test_a_paced_file_plays_at_its_recorded_rate(clip: Path) -> None:
    with Station({"source": str(clip)}, line={"deadline_s": 0.75}) as station:
        assert station.until_exit() == 0
    headers = [frame.header for frame in station.frames]
    captured_ns = {h.frame_id: h.captured_ns for h in headers}
    for header in headers:
        due_ns = captured_ns[headers[0].frame_id] + 50_000_000 * (
            header.frame_id - headers[0].frame_id
        )
        assert abs(header.captured_ns - due_ns) < 5_000_000
        assert header.deadline_ns == header.captured_ns + 750_000_000
        assert header.decoded_ns >= header.captured_ns
    assert station.arrivals_s[-1] - station.arrivals_s[0] > 1.0
    assert sorted(station.frame_ids + station.dropped_ids) == list(range(40))


def test_every_admitted_frame_is_sent_or_reported_dropped(clip: Path) -> None:
    """The conservation law, with a scorer that takes one frame in four."""
    with Station({"source": str(clip), "loop": True}, seconds_per_frame=0.2) as station:
        station.until(lambda: len(station.dropped_ids) > 15, "frames are dropped")
        station.stop()
        assert station.until_exit() == 0
    (end,) = station.ends
    assert end.reason == "stopped"
    assert sorted(station.frame_ids + station.dropped_ids) == list(range(end.admitted))
    assert "overwritten" in {drop.reason for drop in station.drops}
    assert station.frame_ids == sorted(station.frame_ids)
    positions = [frame.header.source_pts_ns or 0 for frame in station.frames]
    assert all(later > earlier for earlier, later in pairwise(positions))


def test_without_a_scorer_a_live_stream_drops_and_says_why(clip: Path) -> None:
    with Station({"source": str(clip)}, scorer=False) as station:
        station.until(lambda: len(station.dropped_ids) > 10, "frames are dropped")
        assert {drop.reason for drop in station.drops} == {"no_scorer"}
        station.stop()
        assert station.until_exit() == 0
    (end,) = station.ends
    assert station.dropped_ids == list(range(end.admitted))
    assert station.drops[-1].reason == "shutdown"


def test_a_stop_waits_for_a_slow_scorer_that_gets_on(clip: Path) -> None:
    """A file at full speed has no deadline: what was admitted is worth waiting for."""
    camera = {"source": str(clip), "pace": "fast"}
    with Station(camera, seconds_per_frame=1.2) as station:
        station.until(lambda: len(station.frames) > 2, "frames come")
        station.stop()
        station.until(lambda: station.ends, "the end is told")
        assert station.until_exit() == 0
    (end,) = station.ends
    assert end.reason == "stopped"
    assert end.admitted < 40
    assert station.frame_ids == list(range(end.admitted))


def is_full(station: Station) -> bool:
    """Whether frames wait everywhere on the way to the scorer: for a while none was admitted."""
    admitted = [camera.admitted for camera in station.cameras[-4:]]
    return len(admitted) == 4 and admitted[0] == admitted[-1] > 4


def test_a_second_signal_gives_up_what_waits(clip: Path) -> None:
    camera = {"source": str(clip), "pace": "fast"}
    with Station(camera, seconds_per_frame=600) as station:
        station.until(lambda: is_full(station), "nothing more is admitted")
        station.stop()
        station.process.send_signal(signal.SIGINT)
        station.until(lambda: station.ends, "the end is told")
        assert station.until_exit() == 0
    assert {drop.reason for drop in station.drops} == {"shutdown"}


def test_drops_wait_for_sinks_that_come_late(clip: Path) -> None:
    camera = {"source": str(clip), "loop": True}
    with Station(camera, sinks=False, seconds_per_frame=0.2) as station:
        station.until(lambda: len(station.frames) > 8, "frames come without sinks")
        station.start_sinks()
        station.until(lambda: station.drops, "the drops of before are told")
        assert station.drops[0].last_frame_id > station.drops[0].first_frame_id
        station.stop()
        assert station.until_exit() == 0
    (end,) = station.ends
    assert sorted(station.frame_ids + station.dropped_ids) == list(range(end.admitted))


def test_fps_thins_out_a_file_and_counts_the_rest(clip: Path) -> None:
    with Station({"source": str(clip), "pace": "fast", "fps": 5}) as station:
        assert station.until_exit() == 0
    assert len(station.frames) == 10
    camera = station.cameras[-1]
    assert (camera.decoded, camera.admitted, camera.sampled_out) == (40, 10, 30)


def test_an_image_folder_is_read_by_name(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "parts", images=6)
    region = {"x_px": 10, "y_px": 20, "width_px": 64, "height_px": 32}
    camera = {"source": str(folder), "pace": "fast", "region": region}
    with Station(camera, line={"deadline_s": 1.0}) as station:
        assert station.until_exit() == 0
    assert station.frame_ids == list(range(6))
    assert all(frame.header.deadline_ns is None for frame in station.frames)
    for index, frame in enumerate(station.frames):
        crop = Image.fromarray(scene(index)).crop((10, 20, 74, 52))
        expected = crop.resize((INSPECTION_PX, INSPECTION_PX), Image.Resampling.BICUBIC)
        assert np.abs(frame.pixels.astype(int) - np.asarray(expected)).mean() < 3


def test_a_paced_folder_shows_its_images_at_fps(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "parts", images=5)
    with Station({"source": str(folder), "fps": 10}) as station:
        assert station.until_exit() == 0
    assert sorted(station.frame_ids + station.dropped_ids) == list(range(5))
    captured_ns = [frame.header.captured_ns for frame in station.frames]
    assert all(b - a > 90e6 for a, b in pairwise(captured_ns))


def test_a_bad_image_is_left_out_and_named(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "parts", images=4)
    whole = (folder / "001.png").read_bytes()
    (folder / "001.png").write_bytes(whole[: len(whole) // 2])
    (folder / "002.png").write_text("no image at all")
    with Station({"source": str(folder), "pace": "fast"}) as station:
        assert station.until_exit() == 0
        assert "001.png is damaged or cut off" in station.output
        assert "002.png is not an image" in station.output
    assert len(station.frames) == 2
    assert station.cameras[-1].undecodable == 2
    assert station.ends[0].reason == "finished"


def test_a_broken_container_is_a_failure_after_its_good_part(tmp_path: Path) -> None:
    path = make_y4m(tmp_path / "clip.y4m", frames=9, broken_after=5)
    with Station({"source": str(path), "pace": "fast"}) as station:
        assert station.until_exit() == 2
        assert "camera left" in station.output
        assert "clip.y4m" in station.output
    assert station.frame_ids == list(range(5))
    assert station.ends[0].reason == "failed"


def test_a_region_outside_the_picture_names_all_that_is_needed(clip: Path) -> None:
    region = {"x_px": 60, "y_px": 0, "width_px": 64, "height_px": 64}
    with Station({"source": str(clip), "pace": "fast", "region": region}) as station:
        assert station.until_exit() == 2
        assert "camera left: region 64x64 at (60, 0) does not fit the 96x64" in station.output
        assert "x_px + width_px must be at most 96" in station.output
        assert not station.says_ready()
    assert (station.ends[0].reason, station.ends[0].admitted) == ("failed", 0)


def test_an_unknown_camera_gets_the_nearest_name(clip: Path) -> None:
    with Station({"source": str(clip)}, name="lfet") as station:
        assert station.until_exit() == 2
        assert "no camera 'lfet' in the configuration: did you mean 'left'?" in station.output


def test_a_relative_source_counts_from_the_configuration_file(clip: Path) -> None:
    with Station({"source": "nowhere/clip.mp4", "pace": "fast"}) as station:
        assert station.until_exit() == 2
        assert f"{station.directory}/nowhere/clip.mp4 does not exist" in station.output
