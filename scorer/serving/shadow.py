"""A shadow memory judges beside the active one; here its disagreements are counted. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from contract.messages import SCORED, Outcome, ShadowReport, ShadowVerdict
from scorer.serving.batch import Scored
from scorer.serving.lines import LineState
from scorer.serving.verdicts import Decision, decide


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


class Shadows:
    """The shadow memories of all lines.

    Args:
        lines: which line has which shadow now.
    """

    def __init__(self, lines: Mapping[str, LineState]) -> None:
        self._lines = lines
        self._tallies: dict[str, ShadowTally] = {}

    def judge(self, state: LineState, scored: Scored, decision: Decision) -> ShadowVerdict | None:
        """What the line's shadow says of a frame, counted beside what was decided."""
        shadow = state.shadow
        if shadow is None or scored.shadow_score is None or decision.score is None:
            return None
        said = decide(scored.shadow_score, shadow.thresholds, now_ns=0, deadline_ns=None)
        if not {decision.outcome, said.outcome} <= SCORED:
            return None
        self._tally(state, shadow.version).count(decision.outcome, said.outcome)
        return ShadowVerdict(version=shadow.version, score=said.score, outcome=said.outcome)

    def reports(self) -> dict[str, ShadowReport]:
        """Per line that has a shadow memory, how that would have judged."""
        return {
            name: tally.report()
            for name, tally in self._tallies.items()
            if (shadow := self._lines[name].shadow) is not None and shadow.version == tally.version
        }

    def _tally(self, state: LineState, version: str) -> ShadowTally:
        tally = self._tallies.get(state.line.name)
        if tally is None or (tally.beside, tally.version) != (state.memory_version, version):
            tally = ShadowTally(version, beside=state.memory_version)
            self._tallies[state.line.name] = tally
        return tally
