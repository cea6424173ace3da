"""When the wall clock is believed, over restarts."""

from __future__ import annotations

from pathlib import Path

import pytest

from contract.wall_watch import WallWatch
from tests.fakes import FakeClock

DAY_S = 86_400.0


def trusted(watch: WallWatch) -> bool:
    return watch.now_ns() is not None


def run_on(clock: FakeClock, watch: WallWatch, seconds: float) -> bool:
    """Work for so long, looking every minute; what was said last."""
    for _ in range(round(seconds / 60)):
        watch.now_ns()
        clock.advance(60.0)
    return trusted(watch)


@pytest.mark.parametrize("step_s", [400 * DAY_S, 3600.0, -3600.0])
def test_a_clock_that_stepped_is_not_trusted_for_a_day(step_s: float, tmp_path: Path) -> None:
    clock = FakeClock()
    watch = WallWatch(clock, tmp_path / "clock")
    assert trusted(watch)
    clock.step(step_s)
    assert not trusted(watch)
    assert not run_on(clock, watch, DAY_S - 60)
    assert run_on(clock, watch, 60)


def test_every_step_begins_the_day_anew(tmp_path: Path) -> None:
    clock = FakeClock()
    watch = WallWatch(clock, tmp_path / "clock")
    for step_s in (400 * DAY_S, -400 * DAY_S):
        clock.step(step_s)
        assert not run_on(clock, watch, DAY_S / 2)
    assert run_on(clock, watch, DAY_S / 2)


def test_a_new_process_does_not_forget_a_step(tmp_path: Path) -> None:
    """Nor does it begin the day anew: what matters is that the clock goes on."""
    clock = FakeClock()
    trusted(WallWatch(clock, tmp_path / "clock"))
    clock.step(400 * DAY_S)
    for _ in range(4):
        watch = WallWatch(clock, tmp_path / "clock")
        assert not trusted(watch)
        assert not run_on(clock, watch, DAY_S / 4 - 240)
    assert run_on(clock, WallWatch(clock, tmp_path / "clock"), 1200)


def test_a_step_that_no_process_saw_is_noticed_at_the_start(tmp_path: Path) -> None:
    clock = FakeClock()
    trusted(WallWatch(clock, tmp_path / "clock"))
    for step_s, is_trusted in ((0.7 * DAY_S, True), (7 * DAY_S, True), (400 * DAY_S, False)):
        clock.step(step_s)
        assert trusted(WallWatch(clock, tmp_path / "clock")) == is_trusted


def test_a_station_that_works_by_day_is_trusted_after_a_long_pause(tmp_path: Path) -> None:
    clock = FakeClock()
    trusted(WallWatch(clock, tmp_path / "clock"))
    clock.step(30 * DAY_S)
    said = []
    for _ in range(4):
        said.append(run_on(clock, WallWatch(clock, tmp_path / "clock"), DAY_S / 3 + 300))
        clock.step(0.66 * DAY_S)
    assert said == [False, False, True, True]


def test_nothing_is_trusted_while_what_may_be_deleted_is_stamped_by_another_time(
    tmp_path: Path,
) -> None:
    clock, away_s = FakeClock(), [400 * DAY_S]
    watch = WallWatch(clock, tmp_path / "clock", step_s=lambda: away_s[0])
    assert not run_on(clock, watch, 2 * DAY_S)
    away_s[0] = 0.0
    assert not run_on(clock, watch, DAY_S - 60)
    assert run_on(clock, watch, 120)


def test_a_clock_that_is_corrected_gently_is_trusted(tmp_path: Path) -> None:
    """A time service slews by at most 500 ppm: 1.8 s an hour."""
    clock = FakeClock()
    watch = WallWatch(clock, tmp_path / "clock")
    for _ in range(30 * 24):
        clock.advance(3600.0)
        clock.step(1.8)
        assert trusted(watch)


def test_a_note_that_says_nothing_is_no_trust(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for text in ("soon", f"{FakeClock().wall_ns()} nan", f"{FakeClock().wall_ns()} inf", "1 2 3"):
        (tmp_path / "clock").write_text(text)
        assert not trusted(WallWatch(FakeClock(), tmp_path / "clock"))
    assert "says nothing of the clock" in caplog.text
    (tmp_path / "folder").mkdir()
    assert not trusted(WallWatch(FakeClock(), tmp_path / "folder"))
    assert "cannot note the clock" in caplog.text
