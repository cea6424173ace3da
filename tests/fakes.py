"""The one thing that tests replace: time."""

from __future__ import annotations

from contract.clock import NS_PER_S


class FakeClock:
    """A clock that stands still until it is moved."""

    def __init__(self, wall_ns: int = 1_790_000_000 * NS_PER_S) -> None:
        self._wall_ns = wall_ns
        self._monotonic_s = 100.0

    def wall_ns(self) -> int:
        return self._wall_ns

    def monotonic_s(self) -> float:
        return self._monotonic_s

    def advance(self, seconds: float) -> None:
        """Move both clocks forward."""
        self._wall_ns += round(seconds * NS_PER_S)
        self._monotonic_s += seconds

    def step(self, seconds: float) -> None:
        """Set the wall clock, as a person or a time service may."""
        self._wall_ns += round(seconds * NS_PER_S)
