"""Lists of single frames: which there are, how they are cut into pages, what a page shows of one.

A list has so many frames a page and so many pages. What lies beyond is counted; the CSV has it.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import quote

from contract.clock import local_text
from contract.messages import Outcome
from flawline.reports.digest import Digest

if TYPE_CHECKING:
    from sinks.store.event import Event

MAX_PAGES: Final = 100

Notes = Mapping[str, "Callable[[Event], str]"]
"""By heading, a text about each frame."""


class Listing(NamedTuple):
    """Frames of some outcomes, as cards with pictures or as rows."""

    name: str
    title: str
    outcomes: tuple[Outcome, ...]
    page_size: int
    pictured: bool

    def num_frames(self, digest: Digest) -> int:
        """Frames of this list that have a verdict of their own."""
        total = sum(digest.outcomes[outcome] for outcome in self.outcomes)
        return total - digest.num_dropped * (Outcome.UNSCORED in self.outcomes)

    def num_pages(self, digest: Digest) -> int:
        return min(-(-self.num_frames(digest) // self.page_size), MAX_PAGES)

    def num_left_out(self, digest: Digest) -> int:
        """Frames that no page has room for."""
        return max(0, self.num_frames(digest) - MAX_PAGES * self.page_size)

    def pages(self, events: Iterable[Event], digest: Digest) -> Iterator[list[Event]]:
        """The events of each page."""
        reading = iter(events)
        for _ in range(self.num_pages(digest)):
            yield list(islice(reading, self.page_size))


LISTINGS: Final = (
    Listing("rejects", "Rejected frames", (Outcome.FAIL, Outcome.REVIEW), 48, pictured=True),
    Listing(
        "unjudged",
        "Frames without a judgement in time",
        (Outcome.INVALID, Outcome.LATE, Outcome.UNSCORED),
        500,
        pictured=False,
    ),
)


class ShownFrame(NamedTuple):
    """A frame on a page.

    Attributes:
        source: of its picture; None if there is none to show, and `missing` says why.
        notes: what else is said of it, by heading.
    """

    event: Event
    time: str
    source: str | None
    missing: str
    notes: dict[str, str]


class PictureList:
    """Makes frames fit to be shown on pages in `page_directory`."""

    def __init__(self, evidence_directory: Path, page_directory: Path, notes: Notes) -> None:
        self._evidence_directory = evidence_directory
        self._link = os.path.relpath(evidence_directory, page_directory)
        self._notes = notes

    def has_picture(self, event: Event) -> bool:
        """Whether the picture of a frame is where it was filed."""
        return event.evidence is not None and self._path(event.evidence).is_file()

    def show(self, event: Event, *, embed: bool = False) -> ShownFrame:
        """A frame with its picture as a link relative to the page, or as a data URL."""
        source, missing = None, ""
        if event.evidence is None:
            missing = "no picture came with it"
        elif not self.has_picture(event):
            missing = "its picture is gone: deleted by age or size, or never written"
        elif embed:
            data = base64.b64encode(self._path(event.evidence).read_bytes()).decode()
            source = f"data:image/jpeg;base64,{data}"
        else:
            source = quote(f"{self._link}/{event.evidence}")
        notes = {heading: note(event) for heading, note in self._notes.items()}
        return ShownFrame(event, local_text(event.times.captured_ns), source, missing, notes)

    def _path(self, evidence: str) -> Path:
        return self._evidence_directory / evidence
