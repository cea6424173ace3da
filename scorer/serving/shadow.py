"""A shadow memory judges beside the active one; here its disagreements are counted. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from contract.messages import Outcome, ShadowReport


@dataclass
class ShadowTally:
    """How a shadow memory judged the frames that the active one judged.

    Attributes:
        version: the shadow memory.
        beside: the active memory that it is compared with.
        pairs: (outcome of the active memory, outcome of the shadow) and how often.
    """

    version: str
    beside: str | None = None
    pairs: Counter[tuple[Outcome, Outcome]] = field(default_factory=Counter)

    def count(self, active: Outcome, shadow: Outcome) -> None:
        """One more frame that both judged."""
        self.pairs[active, shadow] += 1

    def report(self) -> ShadowReport:
        """The tally as it goes over the wire."""
        disagreements = {
            f"{active}->{shadow}": frames
            for (active, shadow), frames in sorted(self.pairs.items())
            if active is not shadow
        }
        return ShadowReport(
            version=self.version, frames=self.pairs.total(), disagreements=disagreements
        )
