"""What was judged and not stored yet: written before anybody is told, read after a crash.

The PLC is told within milliseconds of a verdict's arrival, the store within tenths of a second. If
the sinks are killed between the two, the PLC has seen a PASS that the book knows nothing of, and
the verdict, delivered again, would be judged again, too late. So each judgement is noted before it
is told, and once more with what came of that. A new process books what it finds noted last.

The notes survive the death of the process, not of the machine: they are not forced to the disk,
which would cost more than the PLC's deadline allows on some disks.
"""

from __future__ import annotations

import errno
import logging
import os
import threading
from collections.abc import Iterable
from pathlib import Path

from contract.clock import Clock
from contract.codec import decode_verdict, encode
from contract.errors import StorageError, WireError
from contract.files import whole
from contract.messages import Outcome, StreamKey
from contract.process import Every
from contract.reasons import DeliveryReason
from contract.telling import Telling
from sinks.arrival import Arrival
from sinks.metrics.metrics import Metrics

NAME = "journal"
FILE_NAME = "judged.journal"
NOT_TOLD = "-"
Frame = tuple[StreamKey, int]

SHORTEN_BYTES = 1 << 20
MAX_BYTES = 64 << 20

log = logging.getLogger(__name__)


class Journal:
    """A file of notes, of those alone that are not stored yet. Any thread may write them.

    A note that cannot be written is counted, and the verdict told all the same: only a crash in
    the same moment would have it judged again.
    """

    def __init__(self, path: Path, *, clock: Clock, metrics: Metrics) -> None:
        """Open the journal at `path`.

        Raises:
            StorageError: it cannot be written.
        """
        self._metrics = metrics
        self._path = path
        self._waiting: dict[Frame, bytes] = {}
        self._waiting_bytes = 0
        self._file: int | None = None
        self._num_bytes = 0
        self._complain = Every(60.0, clock)
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._open()
        except OSError as error:
            raise StorageError(f"cannot write {path}: {error.strerror}") from None

    def close(self) -> None:
        """Leave what is not stored, and nothing else."""
        with self._lock:
            self._shorten()
            self._close()

    def left_behind(self) -> list[Arrival]:
        """What an earlier process judged, the oldest first; the last line may be cut off.

        Raises:
            StorageError: it cannot be read.
        """
        found, num_odd = read_notes(self._path)
        if num_odd:
            log.error("%s: %d notes cannot be read, their frames may be lost", self._path, num_odd)
            for _ in range(num_odd):
                self._metrics.failed(NAME, DeliveryReason.REFUSED)
        for arrival, line in found:
            self._wait(arrival, line)
        return [arrival for arrival, _ in found]

    def note(self, arrival: Arrival) -> None:
        """Note a judgement that is about to be told, or was told; the later note counts."""
        line = _line_of(arrival)
        with self._lock:
            if self._waiting_bytes + len(line) <= MAX_BYTES:
                self._wait(arrival, line)  # An orderly stop finds room for it, maybe.
            try:
                self._append(line)
            except OSError as error:
                self._metrics.failed(NAME, DeliveryReason.DISK)
                if self._complain.due():
                    log.error("cannot write %s: %s", self._path, error.strerror)

    def stored(self, frames: Iterable[Frame]) -> None:
        """Forget judgements that are in the store."""
        with self._lock:
            before = self._waiting_bytes
            for frame in frames:
                self._waiting_bytes -= len(self._waiting.pop(frame, b""))
            if self._waiting_bytes == before:
                return
            if not self._waiting:
                self._empty()
            elif self._num_bytes > SHORTEN_BYTES and self._num_bytes > 2 * self._waiting_bytes:
                self._shorten()

    def _wait(self, arrival: Arrival, line: bytes) -> None:
        frame = arrival.stream, arrival.header.frame_id
        self._waiting_bytes += len(line) - len(self._waiting.get(frame, b""))
        self._waiting[frame] = line

    def _append(self, line: bytes) -> None:
        if self._file is None:
            self._open()
        assert self._file is not None
        if self._num_bytes + len(line) > MAX_BYTES and self._num_bytes > 2 * self._waiting_bytes:
            self._shorten()
        if self._num_bytes + len(line) > MAX_BYTES:
            raise OSError(errno.EFBIG, f"more than {MAX_BYTES >> 20} MB wait for the store")
        written = os.write(self._file, line)
        self._num_bytes += written
        if written < len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _empty(self) -> None:
        if self._file is not None:
            os.ftruncate(self._file, 0)
            self._num_bytes = 0

    def _shorten(self) -> None:
        """Write what waits into a new file, which takes the place of the long one."""
        try:
            with whole(self._path) as draft:
                draft.write_bytes(b"".join(self._waiting.values()))
            self._close()
            self._open()
        except OSError as error:
            if self._complain.due():
                log.error("cannot shorten %s: %s", self._path, error.strerror)

    def _open(self) -> None:
        self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._num_bytes = os.fstat(self._file).st_size

    def _close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


def read_notes(path: Path) -> tuple[list[tuple[Arrival, bytes]], int]:
    """The last judgement of each frame in a journal, in their order, each with its line.

    And how many lines are none.

    Raises:
        StorageError: it cannot be read.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return [], 0
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror}") from None
    found: dict[Frame, tuple[Arrival, bytes]] = {}
    num_odd = 0
    for line in filter(None, lines):
        try:
            arrival = _arrival_of(line)
        except (ValueError, WireError):
            num_odd += 1
        else:
            found[arrival.stream, arrival.header.frame_id] = arrival, b"\n" + line
    return list(found.values()), num_odd


def _line_of(arrival: Arrival) -> bytes:
    told = arrival.telling.model_dump_json() if arrival.telling else NOT_TOLD
    # The line's end comes first: what was cut off before by a full disk ends there.
    head = f"\n{arrival.arrived_ns} {arrival.sent} {told} "
    return head.encode() + encode(arrival.header)


def _arrival_of(line: bytes) -> Arrival:
    """What a line tells; wire versions of earlier software are read.

    Raises:
        ValueError, WireError: it is no note, or not whole.
    """
    arrived_ns, sent, told, verdict = line.split(b" ", 3)
    return Arrival(
        identity=b"",
        header=decode_verdict([verdict]),
        sent=Outcome(sent.decode()),
        arrived_ns=int(arrived_ns),
        first=False,
        telling=None if told.decode() == NOT_TOLD else Telling.model_validate_json(told),
    )
