"""What the PLC was told of a verdict, and whether that is what the book says. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from pydantic import Field

from contract.messages import Nanoseconds, Outcome, Tolerant


class Told(StrEnum):
    """What the PLC of a line was told of one verdict. A value keeps its meaning for ever."""

    PASS = "PASS"  # noqa: S105
    FAIL = "FAIL"
    NOTHING = "NOTHING"
    UNTOLD = "UNTOLD"
    UNKNOWN = "UNKNOWN"


TOLD: Final[Mapping[Told, str]] = MappingProxyType(
    {
        Told.PASS: "the PASS bit",
        Told.FAIL: "the FAIL bit",
        Told.NOTHING: "a result without PASS or FAIL",
        Told.UNTOLD: "nothing: it was not reached in time",
        Told.UNKNOWN: "perhaps what is booked: it gave no answer, or the sinks died meanwhile",
    }
)
"""The members of `Told` in words that follow "the PLC was told"."""


class Telling(Tolerant):
    """One verdict's way to the PLC of its line."""

    name: str = Field(max_length=64, description="name of the PLC")
    told: Told = Field(description="PASS, FAIL, NOTHING, UNTOLD or UNKNOWN: see `flawline ledger`")
    told_ns: Nanoseconds | None = Field(None, description="when the PLC answered, wall clock")
    num_results: int = Field(
        1, ge=1, lt=1 << 31, description="results that were told in the same write"
    )

    def contradicts(self, booked: Outcome, *, judged: Outcome) -> bool:
        """Whether the book must not say `booked` of a verdict that was `judged` and told like this.

        Several results in one write speak of the worst of them: PASS of all, anything else of one.
        """
        if self.told is Told.UNKNOWN:
            return booked is not judged
        if self.told is not Told.PASS and self.num_results > 1:
            return False
        return booked not in _MAY_BE_BOOKED[self.told]


_NO_RESULT: Final = frozenset({Outcome.INVALID, Outcome.LATE, Outcome.UNSCORED})
_MAY_BE_BOOKED: Final[Mapping[Told, frozenset[Outcome]]] = MappingProxyType(
    {
        Told.PASS: frozenset({Outcome.PASS, Outcome.REVIEW}),
        Told.FAIL: frozenset({Outcome.FAIL, Outcome.REVIEW}),
        Told.NOTHING: _NO_RESULT,
        Told.UNTOLD: _NO_RESULT,
    }
)
