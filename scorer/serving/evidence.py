"""Evidence: what a person may want to look at, sent beside the verdicts.

It is made once its verdict was handed to ZeroMQ, and goes through a channel of its own: a picture
may still come before its verdict, or without one, and no verdict ever waits for a picture.
"""

from __future__ import annotations

import contextlib
import logging
import math
import threading
import time
from io import BytesIO
from types import TracebackType
from typing import Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import zmq
from PIL import Image

from contract.backlog import Backlog
from contract.codec import Evidence, encode_evidence
from contract.image import Pixels
from contract.messages import EvidenceMessage, Outcome, VerdictMessage
from contract.process import POLL_MS
from contract.sockets import Sockets

JPEG_QUALITY: Final = 90
MAX_WAITING: Final = 64
MAX_WAITING_BYTES: Final = 64 << 20
FAREWELL_S: Final = 2.0

log = logging.getLogger(__name__)


class Snapshot(NamedTuple):
    """What a picture is made of: the inspected crop, and the anomaly map (R, C) float32 over it."""

    pixels: Pixels
    anomaly_map: npt.NDArray[np.float32]


def wants_picture(outcome: Outcome, frame_id: int, *, pass_sample_fraction: float) -> bool:
    """Whether a verdict gets a picture: FAIL, REVIEW, and an even share of PASS."""
    if outcome in (Outcome.FAIL, Outcome.REVIEW):
        return True
    share = pass_sample_fraction
    return outcome is Outcome.PASS and int((frame_id + 1) * share) > int(frame_id * share)


def encode_jpeg(pixels: Pixels) -> bytes:
    """JPEG of (H, W, 3) uint8 RGB."""
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=JPEG_QUALITY)
    return stream.getvalue()


class _Item(NamedTuple):
    verdict: VerdictMessage
    snapshot: Snapshot


class EvidenceSender:
    """Makes pictures and sends them, in a thread of its own. Use as a context manager.

    Pictures wait within bounds while the sinks are away; what finds no room, or cannot be made, is
    counted in `dropped`. What ZeroMQ holds when the process ends, and the sinks do not take within
    `FAREWELL_S`, is not: a picture is no verdict, and its event is in the store.
    """

    def __init__(self, sockets: Sockets) -> None:
        self._sockets = sockets
        self._socket = sockets.connect("evidence")
        self._waiting: Backlog[_Item] = Backlog(max_items=MAX_WAITING, max_bytes=MAX_WAITING_BYTES)
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._end_s = math.inf
        self._thread = threading.Thread(target=self._work, name="evidence", daemon=True)
        self.dropped = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end_s = time.monotonic() + FAREWELL_S
        self._stop.set()
        self._thread.join()
        self._sockets.close(self._socket, linger_ms=max(0, round(1000 * self._left_s)))
        if self.dropped:
            log.warning("%d pictures of verdicts were dropped", self.dropped)

    @property
    def _left_s(self) -> float:
        return self._end_s - time.monotonic()

    def put(self, verdict: VerdictMessage, snapshot: Snapshot) -> None:
        """Have the picture of a verdict made and sent, when there is time; never blocks."""
        if not self._waiting.offer(_Item(verdict, snapshot), snapshot.pixels.nbytes):
            self._drop("found no room on its way to the sinks")

    def _work(self) -> None:
        while not self._stop.is_set() or len(self._waiting):
            item = self._waiting.take(POLL_MS / 1000)
            if item is None:
                continue
            try:
                self._send(item)
            except Exception as error:
                log.exception("no picture of frame %d", item.verdict.frame_id)
                self._drop(f"could not be made ({type(error).__name__})")

    def _send(self, item: _Item) -> None:
        """Wait for room as long as the process lives; at its end for a moment, for all together."""
        parts = _encoded(item) if self._left_s > 0 else []
        while self._left_s > 0:
            if self._socket.poll(POLL_MS, zmq.POLLOUT):
                # The sinks may go between the poll and the sending.
                with contextlib.suppress(zmq.Again):
                    self._socket.send_multipart(parts, zmq.NOBLOCK)
                    return
        self._drop("found no room on its way to the sinks")

    def _drop(self, why: str) -> None:
        with self._lock:
            self.dropped += 1
            first = self.dropped == 1
        if first:
            log.warning("a verdict's picture %s; counted", why)


def _encoded(item: _Item) -> list[bytes]:
    jpeg = encode_jpeg(item.snapshot.pixels)
    rows, columns = item.snapshot.anomaly_map.shape
    header = EvidenceMessage(
        verdict=item.verdict.record(), map_shape=(rows, columns), jpeg_nbytes=len(jpeg)
    )
    return encode_evidence(Evidence(header, item.snapshot.anomaly_map, jpeg))
