"""The evidence sink: a heatmap picture for each verdict that brings its pixels."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from contract.backlog import Backlog
from contract.clock import NS_PER_S, Clock
from contract.codec import Evidence
from contract.config_sinks import EvidenceSettings
from contract.errors import ImageError, StorageError
from contract.files import shut_out_others
from contract.messages import Outcome, VerdictRecord
from contract.process import Every
from contract.reasons import DeliveryReason
from contract.wall_watch import WallWatch
from sinks.arrival import Arrival
from sinks.evidence.album import Album
from sinks.evidence.heatmap import render
from sinks.metrics.metrics import Metrics

MAX_WAITING = 64
MAX_WAITING_BYTES = 64 << 20
IDLE_S = 0.2
TIDY_S = 5.0
TIDY_PICTURES = 500
DAY_S = 86_400

log = logging.getLogger(__name__)


def evidence_path(arrival: Arrival) -> str | None:
    """Where the picture of `arrival` belongs below the evidence folder; None if it has none."""
    return picture_path(arrival.header, arrival.sent) if arrival.header.picture else None


def picture_path(verdict: VerdictRecord, sent: Outcome) -> str:
    """`<line>/<UTC day of capture>/<camera>-<epoch>-<frame_id>-<WHY>.jpg`.

    Why it was kept: the scorer said FAIL or REVIEW, or SAMPLE of what it passed. A picture may come
    before its verdict, when nobody knows yet whether that one will be LATE: hence not PASS.
    """
    why = "SAMPLE" if sent is Outcome.PASS else sent
    day = datetime.fromtimestamp(verdict.times.captured_ns / NS_PER_S, UTC).strftime("%Y-%m-%d")
    name = f"{verdict.camera}-{verdict.epoch}-{verdict.frame_id}-{why}"
    return f"{verdict.line}/{day}/{name}.jpg"


class EvidenceFolder:
    """Draws and files pictures. `work` runs in a thread of its own; a full disk never ends it."""

    name = "evidence"

    def __init__(
        self,
        directory: Path,
        settings: EvidenceSettings,
        *,
        clock: Clock,
        metrics: Metrics,
        wall: WallWatch,
    ) -> None:
        """Prepare filing below `directory`.

        Raises:
            StorageError: it cannot be written.
        """
        try:
            directory.mkdir(parents=True, exist_ok=True)
            shut_out_others(directory)
        except OSError as error:
            raise StorageError(f"cannot make {directory}: {error.strerror}") from error
        if not os.access(directory, os.W_OK | os.X_OK):
            raise StorageError(f"cannot write evidence to {directory}", "check its permissions")
        self._directory = directory
        self._settings = settings
        self._clock = clock
        self._wall = wall
        self._metrics = metrics
        self._waiting: Backlog[Evidence] = Backlog(
            max_items=MAX_WAITING, max_bytes=MAX_WAITING_BYTES
        )
        self._tidy = Every(TIDY_S, clock)
        self._complain = Every(60.0, clock)

    def offer(self, evidence: Evidence) -> bool:
        """Let a picture wait to be filed; False if there is no room."""
        return self._waiting.offer(evidence, len(evidence.jpeg) + evidence.anomaly_map.nbytes)

    def pending(self) -> int:
        return len(self._waiting)

    def work(self, stop: threading.Event) -> None:
        """File pictures until `stop`, then what is queued."""
        album = Album(
            self._directory,
            max_bytes=self._settings.max_bytes,
            max_age_s=self._settings.max_age_days * DAY_S,
        )
        while not stop.is_set() or len(self._waiting):
            evidence = self._waiting.take(0 if stop.is_set() else IDLE_S)
            if evidence is not None:
                self._file(album, evidence)
            if self._tidy.due():
                with self._counted():
                    album.tidy(self._wall.now_ns(), limit=TIDY_PICTURES)

    def _file(self, album: Album, evidence: Evidence) -> None:
        verdict = evidence.header.verdict
        path = picture_path(verdict, verdict.outcome)
        with self._counted():
            album.put(path, render(evidence, quality=self._settings.jpeg_quality))

    @contextlib.contextmanager
    def _counted(self) -> Iterator[None]:
        """Count what goes wrong with one picture, and go on."""
        try:
            yield
        except ImageError as error:
            self._failed(DeliveryReason.PICTURE, str(error))
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            reason = DeliveryReason.DISK_FULL if full else DeliveryReason.DISK
            self._failed(reason, f"{self._directory}: {error.strerror}")

    def _failed(self, reason: DeliveryReason, text: str) -> None:
        self._metrics.failed(self.name, reason)
        if self._complain.due():
            log.error("no evidence: %s", text)
