"""What systemd would hear, on a real datagram socket."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from contract.notify import Notifier
from tests.fakes import FakeClock
from tests.systemd import Systemd

WATCHDOG = {"WATCHDOG_USEC": "10000000"}


@pytest.fixture(params=["path", "abstract"])
def systemd(request: pytest.FixtureRequest, short_directory: Path) -> Iterator[Systemd]:
    path = str(short_directory / "notify")
    listener = Systemd(path if request.param == "path" else f"@{path}")
    yield listener
    listener.close()


def test_a_service_is_ready_alive_and_stops(systemd: Systemd) -> None:
    clock = FakeClock()
    with Notifier(systemd.environment | WATCHDOG, clock) as notifier:
        notifier.ready()
        assert systemd.heard() == ["READY=1"]
        for _ in range(11):
            notifier.alive()
            clock.advance(1.0)
        assert systemd.heard() == 3 * ["WATCHDOG=1"]  # at 0, 5 and 10 s
        notifier.stopping()
        assert systemd.heard() == ["STOPPING=1"]
    assert systemd.heard() == []


def test_it_says_that_it_stops_also_when_it_fails(systemd: Systemd) -> None:
    with pytest.raises(ZeroDivisionError), Notifier(systemd.environment, FakeClock()):
        raise ZeroDivisionError
    assert systemd.heard() == ["STOPPING=1"]


@pytest.mark.parametrize("watchdog", [{}, WATCHDOG | {"WATCHDOG_PID": str(os.getpid() + 1)}])
def test_a_watchdog_that_does_not_ask_hears_nothing(
    systemd: Systemd, watchdog: dict[str, str]
) -> None:
    with Notifier(systemd.environment | watchdog, FakeClock()) as notifier:
        notifier.alive()
        assert systemd.heard() == []


def test_without_systemd_nothing_is_told() -> None:
    with Notifier({}, FakeClock()) as notifier:
        notifier.ready()
        notifier.alive()


def test_a_deaf_systemd_stops_nobody(
    short_directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Notifier({"NOTIFY_SOCKET": str(short_directory / "gone")}, FakeClock()) as notifier:
        notifier.ready()
    assert "systemd was not told READY=1: No such file" in caplog.text
