"""Tries run beside each other, and what one of them does harms none of the others."""

from __future__ import annotations

import threading
from collections.abc import Callable

from contract.clock import SystemClock
from contract.errors import StorageError
from flawline.checks.trying import Probe, Told, try_all

LIMIT_S = 30.0


def _said(*runs: Callable[[], Told], limit_s: float = LIMIT_S) -> list[tuple[bool, str]]:
    probes = [Probe(("lines", number), "try", limit_s, run) for number, run in enumerate(runs)]
    return [(probed.ok, probed.text) for probed, _ in try_all(probes, SystemClock())]


def _refused() -> Told:
    raise StorageError("cannot open rtsp://user:secret@camera/live")


def _surprised() -> Told:
    raise ZeroDivisionError("division by rtsp://user:secret@camera/live")


def _timed_out() -> Told:
    raise TimeoutError("the device kept silent")


def test_each_says_what_it_found_and_no_password() -> None:
    refused, surprised, timed_out, fine = _said(
        _refused, _surprised, _timed_out, lambda: Told("five frames")
    )
    assert fine == (True, "five frames")
    assert timed_out == (False, "TimeoutError('the device kept silent')")
    assert not refused[0]
    assert not surprised[0]
    assert surprised[1].startswith("ZeroDivisionError('division by ")
    assert "secret" not in refused[1] + surprised[1]


def test_one_that_hangs_is_told_and_the_others_are_not_held_up() -> None:
    released = threading.Event()

    def hang() -> Told:
        released.wait()
        return Told("too late")

    assert _said(hang, lambda: Told("five frames"), limit_s=0.5) == [
        (False, "gave no answer within 0.5 s"),
        (True, "five frames"),
    ]
    released.set()
