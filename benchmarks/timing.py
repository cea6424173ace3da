"""Medians of contenders that take turns, so that noise of the machine hits all alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping

Contender = Callable[[], float | None]


def medians_s(contenders: Mapping[str, Contender], rounds: int) -> dict[str, float]:
    """Median seconds of each; a first round is not counted.

    Args:
        contenders: do the work; one that returns a number has measured itself, in seconds.
        rounds: how often each is asked.
    """
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(rounds + 1):
        for name, run in contenders.items():
            start_s = time.perf_counter()
            own_s = run()
            took_s = time.perf_counter() - start_s if own_s is None else own_s
            if number:
                times[name].append(took_s)
    return {name: statistics.median(each) for name, each in times.items()}
