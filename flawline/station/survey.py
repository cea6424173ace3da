"""How the lines do, from the event store: what was decided of their frames, and the newest score.

The store is read in a thread of its own: one that does not answer must not keep the supervisor
from its work. It is there without sinks and without a port for metrics.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from contract.clock import NS_PER_S, Clock
from contract.config import Config
from contract.errors import FlawlineError
from contract.messages import Outcome
from contract.reasons import Reason
from flawline.station.complaints import Totals

if TYPE_CHECKING:
    from sinks.store.event import Event
    from sinks.store.store import Store

PERIOD_S = 2.0
NEWEST_WITHIN_S = 60

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LineFigures:
    """One line since the station started."""

    admitted: int = 0
    totals: Totals = field(default_factory=Counter)
    newest: Event | None = None


@dataclass(frozen=True)
class StationFigures:
    """All lines at one moment."""

    read_s: float
    lines: Mapping[str, LineFigures]


class Survey:
    """Reads the store of a running station every other second.

    Args:
        config: gives the configuration of the moment.

    Attributes:
        newest: None until the store was read; old while there is trouble.
        trouble: why it cannot be read; empty while it can. Whoever shows the figures tells it.
    """

    def __init__(self, config: Callable[[], Config], clock: Clock) -> None:
        logging.getLogger("alembic").setLevel(logging.WARNING)
        self._config = config
        self._clock = clock
        self._since_epoch = clock.wall_ns() // 1_000_000
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="survey", daemon=True)
        self.newest: StationFigures | None = None
        self.trouble = ""

    def start(self) -> None:
        """Begin; the thread ends with `last`, or with this process."""
        self._thread.start()

    def last(self) -> StationFigures | None:
        """The figures once nothing moves any more."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(PERIOD_S)
            self._read(keep_open=False)
        return self.newest

    def _run(self) -> None:
        while not self._stop.is_set():
            self._read(keep_open=True)
            self._stop.wait(PERIOD_S)

    def _read(self, *, keep_open: bool) -> None:
        """Read the store, again and again while it is open; trouble with it is told once."""
        from sinks.store.store import Store

        url = self._config().store_url
        try:
            with Store.open_existing(url) as store:
                self.newest, self.trouble = self._figures(store, self._config()), ""
                while keep_open and not self._stop.wait(PERIOD_S):
                    if (config := self._config()).store_url != url:
                        return
                    self.newest = self._figures(store, config)
        except FlawlineError as error:
            self.trouble = str(error)
        except Exception as error:
            # Figures that are missing must not end what they are of.
            if self.trouble != repr(error):
                log.exception("the store cannot be read")
            self.trouble = repr(error)

    def _figures(self, store: Store, config: Config) -> StationFigures:
        admitted: Counter[str] = Counter()
        totals: defaultdict[str, Totals] = defaultdict(Counter)
        for book in store.books(since_epoch=self._since_epoch):
            if book.key.station != config.station:
                continue
            line = book.key.line
            admitted[line] += book.admitted
            for outcome, count in book.counts.items():
                if outcome is not Outcome.UNSCORED:
                    reason = Reason.DEADLINE_MISSED if outcome is Outcome.LATE else ""
                    totals[line][outcome, reason] += count
            for reason, count in book.unscored.items():
                totals[line][Outcome.UNSCORED, reason] += count
        since_ns = self._clock.wall_ns() - NEWEST_WITHIN_S * NS_PER_S
        return StationFigures(
            self._clock.monotonic_s(),
            {
                line.name: LineFigures(
                    admitted[line.name],
                    totals[line.name],
                    store.newest_scored(line.name, since_ns=since_ns),
                )
                for line in config.lines
            },
        )
