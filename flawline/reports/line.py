"""What a line's report is made of, however it is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contract.messages import Outcome
from flawline.reports.chart import Shade
from flawline.reports.digest import Digest
from flawline.reports.listing import Notes
from flawline.reports.period import Period

if TYPE_CHECKING:
    from sinks.store.audit import Audit
    from sinks.store.event import Event


@dataclass(frozen=True)
class Extras:
    """What a line adds whose truth is known: the demo's.

    Attributes:
        template: extends `line.html`.
        values: what that template shows.
        notes: a text about each frame, by heading.
        shades: stretches of time marked in the drawing, and what they are.
    """

    template: str = "line.html"
    values: Mapping[str, Any] = field(default_factory=dict)
    notes: Notes = field(default_factory=dict)
    shades: tuple[Shade, ...] = ()
    shade_label: str = ""


@dataclass(frozen=True)
class LineReport:
    """What a report is made of.

    Attributes:
        events: reads events of the period again, of given outcomes, in the order of capture.
        kept_since_ns: events from before may have been deleted by age.
        embed: the index holds its pictures instead of linking them.
    """

    line: str
    station: str
    period: Period
    digest: Digest
    audits: Sequence[Audit]
    is_sound: bool
    events: Callable[[Sequence[Outcome]], Iterator[Event]]
    evidence_directory: Path
    written_ns: int
    kept_since_ns: int
    embed: bool = False
    extras: Extras = field(default_factory=Extras)
