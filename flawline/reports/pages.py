"""The report of a line as HTML files: an index, and lists of single frames behind it.

The index has the same size for a minute and for a month. Pictures are links into the evidence
folder; in the index they may be inside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from contract.clock import local_text
from contract.messages import Outcome
from contract.process import software_version
from flawline.files import write, writing
from flawline.reports.chart import COLOURS, draw
from flawline.reports.line import LineReport
from flawline.reports.listing import LISTINGS, MAX_PAGES, Listing, PictureList, ShownFrame
from flawline.reports.timeline import defect_rate

if TYPE_CHECKING:
    from sinks.store.event import Event

MAX_CLEAREST: Final = 12
MAX_PASSED: Final = 6
MAX_STRETCHES: Final = 48
MARK: Final = "<!-- made by flawline report -->"


@dataclass(frozen=True)
class Names:
    """Where the files of a report are: `index.html` and `rejects-1.html` in a folder, or
    `NAME.html` and `NAME-rejects-1.html`."""

    index: Path
    prefix: str

    @classmethod
    def of(cls, target: Path) -> Names:
        """The files for a `target` that ends in .html, or for a folder."""
        if target.suffix.lower() in (".html", ".htm"):
            return cls(target, f"{target.stem}-")
        return cls(target / "index.html", "")

    def page(self, listing: Listing, number: int) -> Path:
        return self.index.with_name(f"{self.prefix}{listing.name}-{number}.html")


def write_pages(report: LineReport, target: Path) -> Path:
    """Write a report to a file that ends in .html, or into a folder; the path of its index.

    The index is written last: where there is one, it is whole.

    Raises:
        StorageError: naming what cannot be written.
    """
    names = Names.of(target)
    with writing(target):
        names.index.parent.mkdir(parents=True, exist_ok=True)
        for listing in LISTINGS:
            _remove_pages(names, listing)
    gallery = PictureList(report.evidence_directory, names.index.parent, report.extras.notes)
    pages = _Pages(report, names, gallery)
    for listing in LISTINGS:
        pages.write_list(listing)
    pages.write_index()
    return names.index


class _Pages:
    """Renders pages of one report and writes them."""

    def __init__(self, report: LineReport, names: Names, gallery: PictureList) -> None:
        self._report = report
        self._names = names
        self._gallery = gallery
        self._environment = Environment(
            loader=PackageLoader("flawline", "templates"),
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
            undefined=StrictUndefined,
        )
        self._environment.filters |= {
            "local": local_text,
            "percent": _percent,
            "defect_rate": defect_rate,
        }
        self._environment.globals |= {
            "mark": MARK,
            "report": report,
            "digest": report.digest,
            "index": names.index.name,
            "version": software_version(),
            "colours": COLOURS,
            "Outcome": Outcome,
            "max_pages": MAX_PAGES,
        }

    def write_index(self) -> None:
        report = self._report
        self._write(
            self._names.index,
            report.extras.template,
            plot=draw(
                report.digest, shades=report.extras.shades, shade_label=report.extras.shade_label
            ),
            lists=[
                (each, self._names.page(each, 1).name, each.num_frames(report.digest))
                for each in LISTINGS
            ],
            clearest=self._highest((Outcome.FAIL, Outcome.REVIEW), MAX_CLEAREST),
            passed=self._highest((Outcome.PASS,), MAX_PASSED),
            alarms=[self._gallery.show(event) for event in report.digest.alarms],
            **report.extras.values,
        )

    def write_list(self, listing: Listing) -> None:
        report = self._report
        names = [
            self._names.page(listing, number).name
            for number in range(1, listing.num_pages(report.digest) + 1)
        ]
        events = report.events(listing.outcomes)
        for number, page in enumerate(listing.pages(events, report.digest), start=1):
            self._write(
                self._names.page(listing, number),
                "listing.html",
                listing=listing,
                names=names,
                number=number,
                left_out=listing.num_left_out(report.digest),
                frames=[self._gallery.show(event) for event in page],
            )

    def _highest(self, outcomes: Sequence[Outcome], limit: int) -> list[ShownFrame]:
        """The frames with the highest scores, one of a stretch at most, those with pictures first.

        In the order of capture.
        """
        found = [
            max(events, key=_score)
            for each in self._report.digest.timeline.joined(MAX_STRETCHES).bins.values()
            if (events := [each.highest[o] for o in outcomes if o in each.highest])
        ]
        found.sort(key=lambda event: (not self._gallery.has_picture(event), -_score(event)))
        chosen = sorted(found[:limit], key=lambda event: event.times.captured_ns)
        return [self._gallery.show(event, embed=self._report.embed) for event in chosen]

    def _write(self, path: Path, template: str, **values: Any) -> None:
        write(path, self._environment.get_template(template).render(**values))


def _score(event: Event) -> float:
    return event.anomaly_score or 0.0


def _remove_pages(names: Names, listing: Listing) -> None:
    """Delete the pages that an earlier report left, and nothing else."""
    for number in range(1, MAX_PAGES + 1):
        path = names.page(listing, number)
        if path.is_file():
            with path.open(encoding="utf-8", errors="replace") as page:
                if MARK in page.read(200):
                    path.unlink()


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.2f} %"
