"""Whether the wall clock can be trusted with what cannot be undone, such as deleting by age."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from contract.clock import NS_PER_S, Clock
from contract.files import whole

STEP_NS: Final = 60 * NS_PER_S
GAP_NS: Final = 8 * 86_400 * NS_PER_S  # a week off is common; a wrong date within it costs days
STEADY_S: Final = 86_400.0
NOTED_EVERY_S: Final = 60.0

log = logging.getLogger(__name__)


class WallWatch:
    """Watches for steps against the monotonic clock. Thread-safe.

    After a step the clock has to go on evenly for a day of work: a wrong date is put right in that
    time. So has one that stands, at the start, more than a week from where it was seen last; a
    machine that was off for longer loses nothing by waiting. What was seen is noted in a file, so
    that a new process neither forgets a step nor has to wait for the whole day again.

    Args:
        clock: of this host; the station's own time would not show that it was set.
        note: the file.
        step_s: how far that clock is from the one that stamps what may be deleted.
    """

    def __init__(
        self, clock: Clock, note: Path, *, step_s: Callable[[], float] = lambda: 0.0
    ) -> None:
        self._clock = clock
        self._note = note
        self._step_s = step_s
        self._lock = threading.Lock()
        self._seen_ns = clock.wall_ns()
        self._seen_s = clock.monotonic_s()
        before_ns, self._steady_s = self._read()
        if abs(self._seen_ns - before_ns) > GAP_NS:
            self._steady_s = 0.0
        self._noted_s = -math.inf

    def now_ns(self) -> int | None:
        """The wall clock, if it has gone on evenly; to be asked at least every few minutes.

        The very reading that was compared: another may come after a step.
        """
        with self._lock:
            now_ns, now_s = self._clock.wall_ns(), self._clock.monotonic_s()
            gone_s = now_s - self._seen_s
            step_ns = now_ns - self._seen_ns - round(gone_s * NS_PER_S)
            self._seen_ns, self._seen_s = now_ns, now_s
            stepped = max(abs(step_ns), abs(self._step_s()) * NS_PER_S) > STEP_NS
            is_news = stepped and self._steady_s > 0
            self._steady_s = 0.0 if stepped else self._steady_s + gone_s
            if is_news or now_s - self._noted_s >= NOTED_EVERY_S:
                self._noted_s = now_s
                self._write()
            return now_ns if self._steady_s >= STEADY_S else None

    def _read(self) -> tuple[int, float]:
        """When the clock was seen last, and for how long it had gone on evenly then."""
        try:
            seen, steady = self._note.read_text("ascii").split()
            if not 0 <= float(steady) <= STEADY_S:
                raise ValueError(f"{steady} seconds")
            return int(seen), float(steady)
        except FileNotFoundError:
            return self._seen_ns, STEADY_S
        except (OSError, ValueError) as error:
            log.warning("%s says nothing of the clock: %s", self._note, error)
            return self._seen_ns, 0.0

    def _write(self) -> None:
        try:
            with whole(self._note) as draft:
                draft.write_text(f"{self._seen_ns} {min(self._steady_s, STEADY_S):.0f}\n", "ascii")
        except OSError as error:
            log.warning("cannot note the clock: %s: %s", self._note, error.strerror)
