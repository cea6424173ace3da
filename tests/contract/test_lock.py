"""Who holds a file, and who only asks."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from contract.errors import AddressInUse
from contract.lock import hold, is_held


def test_one_at_a_time(short_directory: Path) -> None:
    path = short_directory / "run" / "station"
    assert not is_held(path)
    with hold(path):
        assert is_held(path)
        with pytest.raises(AddressInUse, match="in use by another process"):
            hold(path)
    assert not is_held(path)
    hold(path).close()


def test_whoever_asks_keeps_nobody_out(short_directory: Path) -> None:
    path, ended = short_directory / "run" / "station", threading.Event()
    hold(path).close()

    def ask() -> None:
        while not ended.is_set():
            is_held(path)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        for _ in range(200):
            hold(path).close()
    finally:
        ended.set()
        asking.join()
