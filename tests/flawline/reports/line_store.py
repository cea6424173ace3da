"""A store of one line, filled as the sinks fill it, and its pages as a browser reads them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from contract.clock import NS_PER_S
from contract.messages import SCORED, Outcome, StreamKey, VerdictMessage
from sinks.evidence.evidence import evidence_path
from sinks.evidence.heatmap import render
from sinks.ledger.book import Book
from sinks.store.event import Event
from sinks.store.rows import Drop
from sinks.store.store import Store
from tests.sinks.kit import arrival, evidence_of, verdict

CONFIG = """
station: station
data_directory: {data}
lines:
  - name: belt
    cameras: [{{name: top, source: x.mp4}}, {{name: side, source: y.mp4}}]
  - name: idle
    cameras: [{{name: other, source: z.mp4}}]
"""
NOON_NS = 1_790_000_000 * NS_PER_S
JUDGED = {
    "review_threshold": 0.4,
    "memory_version": "v1",
    "model": "flawline-mini",
    "weights_sha256": "ab" * 32,
    "preset": "paper",
}


class LineStore:
    """The data folder of line `belt`.

    Attributes:
        config: its configuration file.
        heatmaps: its evidence folder.
    """

    def __init__(self, directory: Path, *, start_ns: int = NOON_NS) -> None:
        self.config = directory / "flawline.yaml"
        self.heatmaps = directory / "data" / "heatmaps"
        self.url = f"sqlite:///{directory / 'data' / 'events.db'}"
        self._start_ns = start_ns
        self._books: dict[str, Book] = {}
        self._events: list[Event] = []
        self._drops: list[Drop] = []
        self.config.write_text(CONFIG.format(data=directory / "data"))

    def add(
        self,
        frame_id: int,
        outcome: Outcome = Outcome.PASS,
        *,
        camera: str = "top",
        picture: bool = False,
        **fields: Any,
    ) -> VerdictMessage:
        """A verdict, one second after that of the frame before."""
        at_ns = self._start_ns + frame_id * NS_PER_S
        times = dict.fromkeys(("captured_ns", "decoded_ns", "received_ns", "emitted_ns"), at_ns)
        values: dict[str, Any] = {**times, "stream": self._stream(camera)}
        if outcome in SCORED:
            values |= JUDGED | {"scored_ns": at_ns}
        header = verdict(frame_id, outcome, picture=picture, **values | fields)
        evidence = evidence_path(arrival(header))
        if evidence is not None:
            path = self.heatmaps / evidence
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(render(evidence_of(header), quality=80))
        event = Event.of(header, arrived_ns=at_ns + 200_000_000, evidence=evidence)
        self._events.append(event)
        self._book(camera).settle(frame_id, outcome, header.reason, 0.0)
        self._book(camera).updated_ns = at_ns
        return header

    def lose(self, first: int, last: int, reason: str = "overwritten") -> None:
        """Frames of camera `top` that ended without a verdict."""
        noted_ns = self._start_ns + last * NS_PER_S
        self._book("top").settle_range(first, last, Outcome.UNSCORED, reason, 0.0)
        self._drops.append(
            Drop(
                **self._stream("top")._asdict(),
                first_frame_id=first,
                last_frame_id=last,
                reason=reason,
                noted_ns=noted_ns,
            )
        )

    def admit(self, num_frames: int) -> None:
        """Camera `top` ended after so many frames, whatever became of them."""
        self._book("top").close(num_frames, 0.0)

    def save(self) -> None:
        """As a station leaves it that was stopped."""
        for book in self._books.values():
            book.close(book.admitted, 0.0)
        with Store.open(self.url) as store:
            store.write(events=self._events, drops=self._drops, books=self._books.values())

    def _stream(self, camera: str) -> StreamKey:
        return StreamKey("station", "belt", camera, self._start_ns // 1_000_000)

    def _book(self, camera: str) -> Book:
        book = Book(self._stream(camera), opened_ns=self._start_ns)
        return self._books.setdefault(camera, book)


class Page(HTMLParser):
    """What a page says and points to.

    Attributes:
        words: all text outside of scripts and styles, as one line.
        links, images: as written.
        tags: how often each tag occurs.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.links: list[str] = []
        self.images: list[str] = []
        self.tags: Counter[str] = Counter()
        self._texts: list[str] = []
        self._silent = 0
        self.feed(path.read_text("utf-8"))
        self.words = " ".join(" ".join(self._texts).split())

    def handle_starttag(self, tag: str, attrs: Iterable[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self._silent += tag in ("style", "script")
        values = dict(attrs)
        if tag == "a" and values.get("href"):
            self.links.append(values["href"] or "")
        if tag == "img":
            self.images.append(values["src"] or "")

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in ("style", "script")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self._texts.append(data)

    def target(self, link: str) -> Path:
        """The file that a relative link leads to."""
        parts = urlsplit(link)
        assert not parts.scheme
        assert not parts.netloc
        return (self.path.parent / unquote(parts.path)).resolve()
