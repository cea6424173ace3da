"""Threads that wait sleep, however a scorer is started; what the user chose stands."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence

import pytest

from scorer.openmp import WAITING

SERVED = ("-m", "scorer", "--help")
# As `flawline score` and `flawline bench` do; neither has a way to end before it computes.
SCORED = ("-c", "from scorer.scoring.winclip import load_model")
MEASURED = ("-c", "import benchmarks.suite")


def openmp_reads(arguments: Sequence[str], chosen: Mapping[str, str]) -> str:
    """What OpenMP says of its settings while it is loaded."""
    inherited = {name: value for name, value in os.environ.items() if name not in WAITING}
    result = subprocess.run(
        [sys.executable, "-P", *arguments],
        env={**inherited, "OMP_DISPLAY_ENV": "VERBOSE", **chosen},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "OPENMP DISPLAY ENVIRONMENT" in result.stderr
    return result.stderr


@pytest.mark.parametrize("arguments", [SERVED, SCORED, MEASURED])
def test_threads_that_wait_sleep(arguments: Sequence[str]) -> None:
    assert "GOMP_SPINCOUNT = '0'" in openmp_reads(arguments, {})


@pytest.mark.parametrize(
    ("chosen", "read"),
    [
        ({"OMP_WAIT_POLICY": "active"}, "OMP_WAIT_POLICY = 'ACTIVE'"),
        ({"GOMP_SPINCOUNT": "1234"}, "GOMP_SPINCOUNT = '1234'"),
    ],
)
def test_what_the_user_chose_stands(chosen: Mapping[str, str], read: str) -> None:
    assert read in openmp_reads(SCORED, chosen)
