"""Pictures that show why: drawn by Pillow, filed on a real disk."""

from __future__ import annotations

import io
import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from contract.config_sinks import EvidenceSettings
from contract.errors import ImageError, StorageError
from contract.messages import Outcome
from contract.wall_watch import WallWatch
from sinks.evidence.album import Album
from sinks.evidence.colours import FAIL_AT, LUT, Scale
from sinks.evidence.evidence import EvidenceFolder, evidence_path, picture_path
from sinks.evidence.heatmap import caption_of, crop_box, render, side_by_side
from sinks.fanout import Fanout
from sinks.metrics.metrics import Metrics
from tests.fakes import FakeClock
from tests.sinks.kit import arrival, evidence_of, metrics, until, value_of, verdict

DAY_S = 86_400


def _placed(values: list[float], **thresholds: float | None) -> list[float]:
    scale = Scale.of(**{"fail_threshold": None} | thresholds)
    placed: list[float] = scale.place(np.array(values, dtype=np.float32)).tolist()
    return placed


def test_colours_begin_at_the_lowest_threshold_and_end_at_twice_the_fail_threshold() -> None:
    same = partial(pytest.approx, nan_ok=True, abs=1e-6)
    nan = math.nan
    assert _placed([0.0, 0.19, 0.2, 0.3, 0.4, 0.9, nan], fail_threshold=0.2) == same(
        [nan, nan, FAIL_AT, FAIL_AT + (1 - FAIL_AT) / 2, 1, 1, nan]
    )
    both = _placed([0.09, 0.1, 0.2, 0.4], fail_threshold=0.2, review_threshold=0.1)
    assert both == same([nan, 0, FAIL_AT, 1])
    assert _placed([0.6, 0.7, 1.0, math.inf], fail_threshold=0.7) == same([nan, FAIL_AT, 1, 1])
    assert _placed([0.0, 0.5, 1.0]) == same([0, 0.5, 1])


@pytest.mark.parametrize("fail_threshold", [0.0, 1.0])
def test_a_threshold_at_an_end_of_the_scale_has_a_colour(fail_threshold: float) -> None:
    assert not math.isnan(_placed([1.0], fail_threshold=fail_threshold)[0])


def test_colours_get_lighter_all_the_way() -> None:
    light = LUT.astype(float) @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(light) > -0.5).all()
    assert light[-1] - light[0] > 180


def test_a_picture_shows_crop_overlay_and_caption() -> None:
    header = verdict(7, Outcome.FAIL, anomaly_score=0.75, review_threshold=0.3)
    with Image.open(io.BytesIO(render(evidence_of(header), quality=90))) as image:
        assert image.format == "JPEG"
        pixels = np.asarray(image.convert("RGB"), dtype=float)
    assert pixels.shape[1] == 2 * 64 + 2
    crop, overlay = pixels[:48, :64], pixels[:48, 66:]
    assert np.abs(crop - [40, 120, 200]).mean() < 8
    below = _colourfulness(overlay[:8])
    assert below.mean() < 8, "what is below the review threshold has a colour"
    assert _colourfulness(overlay[40:48]).mean() > 60
    assert pixels[48:].max() > 150


def test_the_caption_says_what_was_judged_how_and_when(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        header = verdict(
            7,
            Outcome.FAIL,
            anomaly_score=0.75,
            review_threshold=0.3,
            captured_ns=1_790_000_000_123_999_999,
        )
        assert caption_of(header) == [
            "FAIL  score 0.7500",
            "review at 0.3000, fail at 0.5000",
            "2026-09-21 16:13:20.123+02:00",
            "belt/top frame 7",
        ]
        late = verdict(8, Outcome.LATE, reason="deadline_missed", anomaly_score=0.1)
        assert caption_of(late)[:2] == ["LATE deadline_missed  score 0.1000", "no threshold"]
    finally:
        monkeypatch.undo()
        time.tzset()


def _colourfulness(pixels: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    spread: npt.NDArray[np.float64] = pixels.max(axis=-1) - pixels.min(axis=-1)
    return spread


def _drawn(anomaly_map: list[list[float]], **thresholds: float) -> npt.NDArray[np.float64]:
    """The heatmap over a light grey crop of 120 x 80 pixels."""
    crop = np.full((80, 120, 3), 200, dtype=np.uint8)
    values = np.array(anomaly_map, dtype=np.float32)
    image = side_by_side(crop, values, caption=[], **thresholds)
    left, top, right, bottom = crop_box(image.size)
    pixels = np.asarray(image, dtype=float)
    assert (pixels[top:bottom, left:right] == 200).all()
    return pixels[top:bottom, right + 2 :]


def test_a_good_part_stays_bare_however_uneven_it_is() -> None:
    bare = _drawn([[0.0, 0.1, 0.19], [0.02, 0.15, 0.199]], fail_threshold=0.2)
    assert (bare == 200).all()


def test_a_single_patch_at_the_threshold_is_shown_in_its_place_alone() -> None:
    shown = _colourfulness(_drawn([[0.0, 0.0, 0.0], [0.0, 0.0, 0.2]], fail_threshold=0.2))
    assert (shown[40:, 80:] > 30).all()
    assert shown[:40].max() == shown[:, :80].max() == 0


def test_the_same_score_has_the_same_colour_in_every_picture() -> None:
    alone = _drawn([[0.0, 0.0, 0.3], [0.0, 0.0, 0.3]], fail_threshold=0.2)
    beside = _drawn([[0.9, 0.0, 0.3], [0.9, 0.0, 0.3]], fail_threshold=0.2)
    assert (alone[:, 118] == beside[:, 118]).all()


def test_what_was_not_inspected_is_hatched_and_not_bare() -> None:
    pixels = _drawn([[math.nan, 0.0, 0.0], [math.nan, 0.0, 0.0]], fail_threshold=0.2)
    outside, inside = pixels[:, :40], pixels[:, 40:]
    assert (inside == 200).all()
    assert outside.max() < 160
    assert len(np.unique(outside)) == 2


@pytest.mark.parametrize("size_px", [(1, 1), (64, 48), (240, 240), (343, 341), (1920, 1080)])
def test_the_bare_crop_is_found_again_in_the_picture(size_px: tuple[int, int]) -> None:
    crop = Image.new("RGB", size_px, (40, 120, 200))
    caption = ["FAIL", "a caption that is far too long for a small picture " * 9]
    image = side_by_side(crop, np.zeros((2, 3), np.float32), caption=caption, fail_threshold=0.5)
    box = crop_box(image.size)
    assert box == (0, 0, *size_px)
    assert image.crop(box).tobytes() == crop.tobytes()


@pytest.mark.parametrize("size_px", [(482, 20), (481, 292), (1, 200)])
def test_another_picture_has_no_crop_box(size_px: tuple[int, int]) -> None:
    with pytest.raises(ImageError, match="no crop beside its heatmap"):
        crop_box(size_px)


@pytest.mark.parametrize("jpeg", [b"no picture", b"\xff\xd8\xff\xe0", b""])
def test_what_is_no_jpeg_is_an_image_error(jpeg: bytes) -> None:
    broken = evidence_of(verdict(0))._replace(jpeg=jpeg)
    with pytest.raises(ImageError, match="no JPEG"):
        render(broken, quality=90)


@contextmanager
def filing(directory: Path, **fields: Any) -> Iterator[tuple[EvidenceFolder, Metrics]]:
    numbers = metrics()
    clock = FakeClock()
    folder = EvidenceFolder(
        directory,
        EvidenceSettings(**fields),
        clock=clock,
        metrics=numbers,
        wall=WallWatch(clock, directory.with_name("clock")),
    )
    fanout = Fanout([], numbers, workers=[folder])
    fanout.start()
    try:
        yield folder, numbers
    finally:
        fanout.stop(10)


def test_pictures_are_filed_by_line_day_and_frame(tmp_path: Path) -> None:
    header = verdict(7, Outcome.FAIL, captured_ns=1_790_000_000 * 10**9, picture=True)
    came = arrival(header)
    with filing(tmp_path / "heatmaps") as (folder, _):
        assert folder.offer(evidence_of(header))
    (path,) = (tmp_path / "heatmaps").rglob("*.*")
    assert str(path.relative_to(tmp_path / "heatmaps")) == evidence_path(came)
    assert evidence_path(came) == "belt/2026-09-21/top-1790000000000-7-FAIL.jpg"
    assert evidence_path(arrival(verdict(8))) is None


def test_a_broken_picture_is_counted_and_the_next_one_is_filed(tmp_path: Path) -> None:
    with filing(tmp_path) as (folder, numbers):
        folder.offer(evidence_of(verdict(1, Outcome.FAIL))._replace(jpeg=b"broken"))
        folder.offer(evidence_of(verdict(2, Outcome.FAIL)))
        until(lambda: list(tmp_path.rglob("*-2-FAIL.jpg")))
        labels = {"sink": "evidence", "reason": "picture"}
        assert value_of(numbers, "sink_errors_total", **labels) == 1


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="file/heatmaps"):
        with filing(tmp_path / "file" / "heatmaps"):
            raise AssertionError("not reached")


def _shelf(directory: Path, *, max_bytes: int = 10**6, max_age_days: float = 30) -> Album:
    return Album(directory, max_bytes=max_bytes, max_age_s=max_age_days * DAY_S)


def _put(album: Album, relative: str, *, written_s: float, size: int = 100) -> Path:
    path = album.put(relative, bytes(size))
    os.utime(path, (written_s, written_s))
    return path


def _names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.rglob("*.jpg"))


NOW_NS = 1_790_000_000 * 10**9  # 2026-09-21
NOW_S = NOW_NS / 10**9


def test_the_oldest_pictures_go_beyond_the_limit_on_bytes(tmp_path: Path) -> None:
    album = _shelf(tmp_path, max_bytes=450)
    for n, line in enumerate(["a", "b", "a", "b", "a", "b"]):
        day = "2026-09-20" if n < 4 else "2026-09-21"
        _put(album, f"{line}/{day}/{n}.jpg", written_s=NOW_S - 1000 + n)
    assert album.total_bytes == 600
    assert album.tidy(NOW_NS, limit=1) == 1
    assert _names(tmp_path) == ["1.jpg", "2.jpg", "3.jpg", "4.jpg", "5.jpg"]
    assert album.tidy(NOW_NS, limit=100) == 1
    assert _names(tmp_path) == ["2.jpg", "3.jpg", "4.jpg", "5.jpg"]
    assert album.tidy(NOW_NS, limit=100) == 0
    assert album.total_bytes == 400


def test_old_pictures_go_and_empty_folders_with_them(tmp_path: Path) -> None:
    album = _shelf(tmp_path, max_age_days=2)
    for age_days in (5, 3, 1):
        day = f"2026-09-{21 - age_days}"
        _put(album, f"a/{day}/{age_days}.jpg", written_s=NOW_S - age_days * DAY_S)
    assert album.tidy(None, limit=100) == 0, "nobody knows what time it is"
    assert album.tidy(NOW_NS, limit=100) == 2
    assert _names(tmp_path) == ["1.jpg"]
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["2026-09-20"]


def test_a_new_process_knows_the_size_and_strangers_stay(tmp_path: Path) -> None:
    before = _shelf(tmp_path)
    _put(before, "a/2026-09-20/1.jpg", written_s=NOW_S - DAY_S)
    strangers = [tmp_path / "a" / "2026-09-20" / "notes.txt", tmp_path / "other" / "x" / "1.jpg"]
    for stranger in strangers:
        stranger.parent.mkdir(parents=True, exist_ok=True)
        stranger.write_bytes(bytes(5000))
    album = _shelf(tmp_path, max_bytes=50)
    assert album.total_bytes == 100
    assert album.tidy(NOW_NS, limit=100) == 1
    assert album.total_bytes == 0
    assert all(stranger.exists() for stranger in strangers)


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    album = _shelf(tmp_path)
    (tmp_path / "a" / "2026-09-20" / "1.jpg").mkdir(parents=True)
    with pytest.raises(OSError, match="directory"):
        album.put("a/2026-09-20/1.jpg", b"x")
    assert [path.name for path in (tmp_path / "a" / "2026-09-20").iterdir()] == ["1.jpg"]
    assert album.total_bytes == 0


def test_a_picture_of_a_late_verdict_has_the_name_that_the_store_knows(tmp_path: Path) -> None:
    header = verdict(3, Outcome.FAIL, deadline_ns=1, picture=True)
    came = arrival(header)
    assert came.header.outcome is Outcome.LATE
    path = evidence_path(came)
    assert path == picture_path(header.record(), header.outcome), "whichever of the two comes first"
    assert path.endswith("-3-FAIL.jpg")
