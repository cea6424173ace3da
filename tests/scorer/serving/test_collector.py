"""Picking references from a camera as frames pass."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contract.clock import NS_PER_S
from contract.codec import Frame
from contract.errors import ConfigError, FlawlineError
from contract.messages import RequestMessage
from scorer import WinClip
from scorer.references.shelf import Shelf
from scorer.serving.collector import WITNESS_PATIENCE_S, Collector
from scorer.serving.lines import Lines
from scorer.serving.order import WITNESSES
from tests.fakes import FakeClock
from tests.scorer.frames import CAPTURED_NS, frame
from tests.scorer.pictures import part, picture
from tests.scorer.shelves import line


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def collector(mini: WinClip, tmp_path: Path, clock: FakeClock) -> Iterator[Collector]:
    cameras = [{"name": name, "source": "rtsp://cam"} for name in ("top", "side")]
    shelf = Shelf(tmp_path)
    lines = Lines((line(cameras=cameras), line("cans")), mini, shelf, clock)
    with Collector(mini, lines, shelf, clock) as made:
        yield made


def order(**changes: Any) -> RequestMessage:
    values = {"command": "enroll", "line": "bottles", "count": 3, "interval_s": 1.0}
    return RequestMessage.model_validate(values | changes)


def passing(at_s: float, side_px: int = 240, **header: Any) -> Frame:
    pixels = np.zeros((side_px, side_px, 3), dtype=np.uint8)
    captured_ns = CAPTURED_NS + round(at_s * NS_PER_S)
    return frame(pixels=pixels, captured_ns=captured_ns, **{"camera": "top"} | header)


def test_frames_are_counted(collector: Collector) -> None:
    assert collector.progress() == "nothing enrolled yet"
    assert collector.start(order()) == "line bottles: 0 of 3 frames"
    for second in range(2):
        collector.see(passing(second))
    assert collector.progress() == "line bottles: 2 of 3 frames"


def test_no_more_than_wanted(collector: Collector) -> None:
    collector.start(order(count=1))
    for second in range(5):
        collector.see(passing(second))
    assert collector.progress() == "line bottles: 1 of 1 frames"


@pytest.mark.parametrize(
    "unwanted",
    [
        passing(5, line="cans"),
        passing(5, camera="side"),
        passing(5, taint="corrupt_packet"),
        passing(5, side_px=120),
        passing(0.5),
    ],
    ids=["other line", "other camera", "tainted", "other size", "too soon"],
)
def test_what_is_no_reference(collector: Collector, unwanted: Frame) -> None:
    collector.start(order(camera="top"))
    collector.see(passing(0))
    collector.see(unwanted)
    assert collector.progress() == "line bottles: 1 of 3 frames"
    collector.see(passing(6))
    assert collector.progress() == "line bottles: 2 of 3 frames"


def test_nothing_is_kept_without_an_order(collector: Collector) -> None:
    collector.see(passing(0))
    collector.start(order())
    assert collector.progress() == "line bottles: 0 of 3 frames"


def test_more_than_fits_beside_the_work_is_refused(mini: WinClip, tmp_path: Path) -> None:
    shelf, clock = Shelf(tmp_path), FakeClock()
    lines = Lines((line(inspection_px=4080),), mini, shelf, clock)
    with Collector(mini, lines, shelf, clock) as collector:
        with pytest.raises(ConfigError, match="take at most 21, or enroll from a folder"):
            collector.start(order(count=22))
        assert collector.start(order(count=21)) == "line bottles: 0 of 21 frames"


def test_any_camera_of_the_line_and_no_other(collector: Collector) -> None:
    collector.start(order(interval_s=0.0))
    collector.see(passing(0, camera="stranger"))
    collector.see(passing(0))
    collector.see(passing(0, camera="side"))
    assert collector.progress() == "line bottles: 2 of 3 frames"


def test_one_at_a_time(collector: Collector) -> None:
    collector.start(order())
    with pytest.raises(FlawlineError, match="under way: line bottles: 0 of 3"):
        collector.start(order(line="cans"))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"count": None}, "enroll needs a count"),
        ({"camera": "rear"}, "has no camera rear: it has top, side"),
    ],
)
def test_an_order_that_makes_no_sense(
    collector: Collector, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        collector.start(order(**changes))
    collector.start(order())


def test_pixels_are_kept_after_their_message_is_gone(collector: Collector) -> None:
    """The wire hands out views; a reference must be a copy."""
    pixels = part(1)
    view = pixels.copy()
    collector.start(order(count=1))
    collector.see(frame(pixels=view, camera="top"))
    view[:] = 0
    assert collector._order is not None
    np.testing.assert_array_equal(collector._order.pictures[0], pixels)


def test_the_threshold_is_compared_with_the_frames_that_follow(
    collector: Collector, clock: FakeClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """References of one thing, then a stream of another: everything would FAIL, and it is said."""
    collector.start(order(count=2, interval_s=30.0))
    for number in range(2):
        collector.see(frame(number, pixels=part(number), camera="top", captured_ns=at(30 * number)))
    collector.tend()
    assert collector.progress().startswith("line bottles: 2 of 2 frames, and 0 of 16 more")
    for number in range(8):
        pixels = picture(number)
        collector.see(frame(number, pixels=pixels, camera="top", captured_ns=at(31 + number)))
        collector.see(frame(number, pixels=pixels, camera="top", captured_ns=at(31.5 + number)))
    assert "8 of 16 more" in collector.progress(), "a frame each second, however rare references"
    collector.tend()
    assert collector.state == "collecting", "it waits for more"
    clock.advance(WITNESS_PATIENCE_S)
    with caplog.at_level(logging.INFO):
        taught(collector)
    assert "8 of them would FAIL" in collector.progress()
    assert "references: top #0, 14:13:20 UTC; top #1, " in collector.progress()
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    shelf = Shelf(tmp_path)
    described = shelf.manifest("bottles", shelf.active("bottles") or "")
    assert "too low for this stream" in described.warnings[-1]
    assert str(shelf.folder("bottles", described.version)) in collector.progress()


def test_witnesses_are_bounded(collector: Collector) -> None:
    collector.start(order(count=1, interval_s=0.0))
    for second in range(40):
        collector.see(passing(second))
    assert collector._order is not None
    assert len(collector._order.witnesses) == WITNESSES


def at(second: float) -> int:
    return CAPTURED_NS + round(second * NS_PER_S)


def taught(collector: Collector) -> None:
    """Wait for the thread that makes the memory."""
    collector.tend()
    assert collector._teaching is not None
    collector._teaching.exception(timeout=120)
    collector.tend()
    assert collector.state == "done", collector.progress()


def test_a_scorer_that_ends_gives_up_what_is_not_done(
    mini: WinClip, tmp_path: Path, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    shelf = Shelf(tmp_path)
    camera = {"name": "top", "source": "rtsp://cam"}
    lines = Lines((line(cameras=[camera]),), mini, shelf, clock)
    with Collector(mini, lines, shelf, clock) as collector:
        collector.start(order(count=4, interval_s=0.0))
        for number in range(4):
            collector.see(frame(number, pixels=part(number), camera="top", captured_ns=at(number)))
        collector.tend()
        clock.advance(WITNESS_PATIENCE_S)
        collector.tend()
        assert collector.state == "teaching"
    assert shelf.active("bottles") is None
    assert "given up: line bottles: making the reference memory" in caplog.text
