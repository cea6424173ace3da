"""A demo run in a screenful."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from rich.table import Table

from contract.messages import Outcome
from flawline.demo.truth import Finding, PartResult
from flawline.reports.digest import Digest
from flawline.screen import Screen

if TYPE_CHECKING:
    from sinks.store.audit import Audit


class FalseRejects(NamedTuple):
    """What a calibration promised of good frames, and what came of it.

    Attributes:
        promised: share of good frames that may FAIL, on average over calibrations.
        bound: the same for this calibration, with 95 % confidence.
        num_calibrated: good frames that the calibration rests on.
        failed, good: good frames of the run that were FAIL, and all that were scored.
    """

    promised: float
    bound: float
    num_calibrated: int
    failed: int
    good: int

    @property
    def observed(self) -> float:
        """Share of the good frames that were FAIL."""
        return self.failed / self.good if self.good else float("nan")


class Summary(NamedTuple):
    """A run that has ended."""

    digest: Digest
    audits: Sequence[Audit]
    parts: Sequence[PartResult]
    false_rejects: FalseRejects
    clip_frames: int

    @property
    def decoded(self) -> int:
        return sum(audit.book.decoded for audit in self.audits)

    @property
    def balanced(self) -> bool:
        """Each admitted frame has exactly one outcome, in the closed book and in its rows."""
        return bool(self.audits) and all(a.agrees and a.book.closed for a in self.audits)


def print_summary(summary: Summary, screen: Screen, *, pace: str) -> None:
    """Print it; `pace` says how many frames were to be admitted."""
    books = [audit.book for audit in summary.audits]
    screen.say("")
    cut = summary.decoded < summary.clip_frames
    of = f" of the clip's {summary.clip_frames}: parts that passed by then are judged"
    screen.say(f"frames decoded   {summary.decoded}{of if cut else ''}")
    screen.say(f"frames admitted  {sum(book.admitted for book in books)} ({pace})")
    outcomes = sum((book.counts for book in books), Counter[Outcome]())
    found = "  ".join(f"{outcomes[outcome]} {outcome}" for outcome in Outcome)
    screen.say(f"outcomes         {found}")
    unscored = sum((book.unscored for book in books), Counter[str]())
    for reason, frames in sorted(unscored.items()):
        screen.say(f"                 {frames} UNSCORED because {reason}")
    screen.say(f"ledger balanced: {'yes' if summary.balanced else 'no'}")
    _print_parts(summary.parts, screen)
    _print_false_rejects(summary.false_rejects, screen)
    screen.say(f"frames scored    {summary.digest.scored_per_s:.1f} per second")
    table = Table("latency", "p50 ms", "p99 ms")
    for stage, p50_ms, p99_ms in summary.digest.latency_ms:
        table.add_row(stage, *("-" if ms is None else f"{ms:.1f}" for ms in (p50_ms, p99_ms)))
    screen.print(table)


def _print_parts(parts: Sequence[PartResult], screen: Screen) -> None:
    findings = Counter(part.finding for part in parts)
    defective = sum(part.part.defect is not None for part in parts)
    screen.say(
        f"parts            {len(parts)} passed, {defective} of them defective: "
        f"{findings[Finding.TRUE_REJECT]} found, {findings[Finding.MISS]} missed"
    )
    screen.say(
        f"                 {len(parts) - defective} good: {findings[Finding.TRUE_PASS]} passed, "
        f"{findings[Finding.FALSE_REJECT]} rejected falsely"
    )
    if findings[Finding.UNINSPECTED]:
        screen.say(f"                 {findings[Finding.UNINSPECTED]} uninspected")
    missed = [part.part.defect or "" for part in parts if part.finding is Finding.MISS]
    if missed:
        screen.say(f"                 missed: {', '.join(missed)}")


def _print_false_rejects(false: FalseRejects, screen: Screen) -> None:
    screen.say(
        f"false rejects    promised at most {false.promised:.1%} of good frames, with 95 % "
        f"confidence {false.bound:.1%} ({false.num_calibrated} frames to calibrate with)"
    )
    observed = f"{false.observed:.1%}: " if false.good else ""
    screen.say(
        f"                 observed {observed}{false.failed} of {false.good} frames "
        "without a defect in view"
    )
