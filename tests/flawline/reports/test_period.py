"""Periods as people type them."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from contract.clock import NS_PER_S, local_text
from contract.errors import ConfigError
from flawline.reports.period import Period

NOW_NS = 1_790_000_000 * NS_PER_S  # 2026-09-21 14:13:20 UTC


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("since", "seconds"), [("45s", 45), ("30m", 1800), ("8h", 28_800), ("2d", 172_800)]
)
def test_a_span_is_counted_back_from_now(since: str, seconds: int) -> None:
    assert Period.parse(since, None, now_ns=NOW_NS) == (NOW_NS - seconds * NS_PER_S, NOW_NS)


@pytest.mark.usefixtures("berlin")
def test_a_time_is_local_unless_it_says_otherwise() -> None:
    local = Period.parse("2026-09-21T06:00", "2026-09-21T14:00", now_ns=NOW_NS)
    other = Period.parse("2026-09-21T04:00:00Z", "2026-09-21T17:30+05:30", now_ns=NOW_NS)
    assert local == other
    assert str(local) == "2026-09-21 06:00:00.000+02:00 to 2026-09-21 14:00:00.000+02:00"


@pytest.mark.usefixtures("berlin")
def test_the_hour_that_comes_twice_is_told_apart() -> None:
    first_ns = 1_792_888_200 * NS_PER_S  # 2026-10-25 00:30 UTC
    assert local_text(first_ns) == "2026-10-25 02:30:00.000+02:00"
    assert local_text(first_ns + 3600 * NS_PER_S) == "2026-10-25 02:30:00.000+01:00"


@pytest.mark.parametrize("since", ["", "h", "8", "-8h", "8 h", "yesterday", "2026-13-01"])
def test_what_is_neither_is_refused(since: str) -> None:
    with pytest.raises(ConfigError, match="a time such as"):
        Period.parse(since, None, now_ns=NOW_NS)


@pytest.mark.parametrize(("since", "until"), [("1h", "1h"), ("1h", "2h"), ("2027-01-01", None)])
def test_an_end_before_its_start_is_refused(since: str, until: str | None) -> None:
    with pytest.raises(ConfigError, match="--since must be before --until"):
        Period.parse(since, until, now_ns=NOW_NS)
