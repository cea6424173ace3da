"""Evidence: what a person may want to look at, sent after the verdict left and never before it."""

from __future__ import annotations

import logging
import queue
import threading
from io import BytesIO
from types import TracebackType
from typing import Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import zmq
from PIL import Image

from contract.codec import Evidence, encode_evidence
from contract.image import Pixels
from contract.messages import EvidenceMessage, Outcome, VerdictMessage
from contract.process import POLL_MS
from contract.sockets import Socket

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

    Pictures wait within bounds while the sinks are away; what finds no room is counted in
    `dropped`. No verdict ever waits for a picture.

    Args:
        socket: of channel `evidence`; used by this thread alone from now on.
    """

    def __init__(self, socket: Socket) -> None:
        self._socket = socket
        self._waiting: queue.Queue[_Item] = queue.Queue(MAX_WAITING)
        self._waiting_bytes = 0
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._farewell_ms = 1000 * FAREWELL_S
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
        self._stop.set()
        self._thread.join()

    def put(self, verdict: VerdictMessage, snapshot: Snapshot) -> None:
        """Have the picture of a verdict made and sent, when there is time; never blocks."""
        with self._lock:
            room = self._waiting_bytes + snapshot.pixels.nbytes <= MAX_WAITING_BYTES
        if not room or self._waiting.full():
            self._drop()
            return
        self._count_bytes(snapshot.pixels.nbytes)
        self._waiting.put(_Item(verdict, snapshot))

    def _work(self) -> None:
        while not self._stop.is_set() or not self._waiting.empty():
            try:
                item = self._waiting.get(timeout=POLL_MS / 1000)
            except queue.Empty:
                continue
            self._count_bytes(-item.snapshot.pixels.nbytes)
            self._send(item)

    def _send(self, item: _Item) -> None:
        """Wait for room as long as the process lives; at its end for a moment, for all together."""
        parts = _encoded(item)
        while not self._socket.poll(POLL_MS, zmq.POLLOUT):
            self._farewell_ms -= POLL_MS if self._stop.is_set() else 0
            if self._farewell_ms <= 0:
                self._drop()
                return
        self._socket.send_multipart(parts, zmq.NOBLOCK)

    def _count_bytes(self, change: int) -> None:
        with self._lock:
            self._waiting_bytes += change

    def _drop(self) -> None:
        if self.dropped == 0:
            log.warning("a verdict's picture found no room on its way to the sinks; counted")
        self.dropped += 1


def _encoded(item: _Item) -> list[bytes]:
    jpeg = encode_jpeg(item.snapshot.pixels)
    rows, columns = item.snapshot.anomaly_map.shape
    header = EvidenceMessage(
        verdict=item.verdict.record(), map_shape=(rows, columns), jpeg_nbytes=len(jpeg)
    )
    return encode_evidence(Evidence(header, item.snapshot.anomaly_map, jpeg))
