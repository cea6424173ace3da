"""What the demo adds to a line's report: it knows the truth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from contract.clock import NS_PER_S
from flawline.demo.summary import FalseRejects
from flawline.demo.truth import Finding, JudgedFrame, PartResult, Truth, place_in_clip
from flawline.reports.chart import Shade
from flawline.reports.line import Extras

if TYPE_CHECKING:
    from sinks.store.event import Event

WRONG = (Finding.MISS, Finding.FALSE_REJECT, Finding.UNINSPECTED)
REACH_FRAMES = 2.5


def extras_of(
    events: Iterable[Event],
    truth: Truth,
    parts: Sequence[PartResult],
    false_rejects: FalseRejects,
) -> Extras:
    """The truth beside what was found."""
    return Extras(
        template="demo.html",
        values={
            "parts": parts,
            "findings": Counter(part.finding for part in parts),
            "Finding": Finding,
            "wrong": WRONG,
            "false_rejects": false_rejects,
        },
        notes={"truth": lambda event: defects_in_view(event, truth)},
        shades=tuple(shades_of(events, truth)),
        shade_label="defect in view (truth)",
    )


def defects_in_view(event: Event, truth: Truth) -> str:
    """The kinds of defect that a frame shows."""
    place = place_in_clip(event, truth)
    kinds = [
        part.defect
        for part in truth.parts
        if place is not None
        and part.defect is not None
        and part.defect_visible_first_frame is not None
        and part.defect_visible_last_frame is not None
        and part.defect_visible_first_frame <= place[1] <= part.defect_visible_last_frame
    ]
    return ", ".join(kinds).replace("_", " ") if kinds else "no defect in view"


def shades_of(events: Iterable[JudgedFrame], truth: Truth) -> list[Shade]:
    """The times that a defect was in view: each run of frames that show one."""
    reach_ns = round(REACH_FRAMES / truth.fps * NS_PER_S)

    def shows_defect(event: JudgedFrame) -> bool:
        place = place_in_clip(event, truth)
        return place is not None and truth.shows_defect(place[1])

    shades = []
    for shown, row in groupby(events, shows_defect):
        if shown:
            captured_ns = [event.times.captured_ns for event in row]
            shades.append(Shade(captured_ns[0] - reach_ns, captured_ns[-1] + reach_ns))
    return shades
