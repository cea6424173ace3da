"""Pictures that show why: drawn by Pillow, filed on a real disk."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from contract.config_sinks import EvidenceSettings
from contract.errors import ImageError, StorageError
from contract.messages import Outcome
from sinks.evidence.album import Album
from sinks.evidence.evidence import EvidenceFolder, evidence_path
from sinks.evidence.heatmap import FAIL_AT, LUT, REVIEW_AT, caption_of, render, shade, side_by_side
from sinks.fanout import Fanout
from sinks.metrics.metrics import Metrics
from tests.fakes import FakeClock
from tests.sinks.kit import arrival, evidence_of, metrics, until, value_of, verdict

DAY_S = 86_400


def test_the_colour_scale_follows_the_thresholds() -> None:
    values = np.array([0.0, 0.2, 0.6, 1.0, np.nan, np.inf, -1.0], dtype=np.float32)
    shaded = shade(values, fail_threshold=0.6, review_threshold=0.2)
    assert shaded.tolist() == pytest.approx([0, REVIEW_AT, FAIL_AT, 1, 1, 1, 0])
    alone = shade(values[:4], fail_threshold=None, review_threshold=None)
    assert alone.tolist() == pytest.approx([0, 0.2, 0.6, 1])
    assert shade(values, fail_threshold=1.0, review_threshold=0.0).shape == values.shape


def test_colours_get_lighter_all_the_way() -> None:
    light = LUT.astype(float) @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(light) > -0.5).all()
    assert light[-1] - light[0] > 200


def test_a_picture_shows_crop_overlay_and_caption() -> None:
    header = verdict(7, Outcome.FAIL, anomaly_score=0.75, review_threshold=0.3)
    with Image.open(io.BytesIO(render(evidence_of(header), quality=90))) as image:
        assert image.format == "JPEG"
        pixels = np.asarray(image.convert("RGB"), dtype=float)
    assert pixels.shape[1] == 2 * 64 + 2
    crop, overlay = pixels[:48, :64], pixels[:48, 66:]
    assert np.abs(crop - [40, 120, 200]).mean() < 8
    assert overlay[40:48].mean() > overlay[:8].mean() + 50
    assert pixels[48:].max() > 150
    assert caption_of(header) == "belt/top #7  FAIL  score 0.750  fail at 0.500"


def test_arrays_are_drawn_too() -> None:
    crop = np.zeros((20, 30, 3), dtype=np.uint8)
    image = side_by_side(crop, np.zeros((2, 3), dtype=np.float32), caption="x.png")
    assert image.size[0] == 62


@pytest.mark.parametrize("jpeg", [b"no picture", b"\xff\xd8\xff\xe0", b""])
def test_what_is_no_jpeg_is_an_image_error(jpeg: bytes) -> None:
    broken = evidence_of(verdict(0))._replace(jpeg=jpeg)
    with pytest.raises(ImageError, match="no JPEG"):
        render(broken, quality=90)


@contextmanager
def filing(directory: Path, **fields: Any) -> Iterator[tuple[EvidenceFolder, Metrics]]:
    numbers = metrics()
    folder = EvidenceFolder(
        directory, EvidenceSettings(**fields), clock=FakeClock(), metrics=numbers
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


def test_outcome_in_the_name_is_what_counts() -> None:
    late = arrival(verdict(3, Outcome.FAIL, deadline_ns=1, picture=True))
    path = evidence_path(late)
    assert path is not None
    assert path.endswith("-3-LATE.jpg")
