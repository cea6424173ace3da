"""Where a start goes, and how old a process is."""

from __future__ import annotations

import json
import subprocess
import sys
import time

from contract.start import Start
from tests.fakes import FakeClock

CODE = """
import json, time
began_s = time.monotonic()
from contract.start import age_s
print(json.dumps([time.monotonic() - began_s, age_s()]))
"""
TICK_S = 0.02


def test_phases_are_told_in_their_order() -> None:
    clock = FakeClock()
    start = Start(clock, age_s=6.25)
    clock.advance(0.5)
    start.passed("model")
    clock.advance(2.0)
    start.passed("warm-up")
    assert str(start) == "8.8 s: imports 6.2 s, model 0.5 s, warm-up 2.0 s"


def test_a_process_knows_its_age() -> None:
    before_s = time.monotonic()
    told = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    most_s = time.monotonic() - before_s
    least_s, age_s = json.loads(told.stdout)
    assert least_s - TICK_S <= age_s <= most_s + TICK_S
