"""Epochs that only go up: one per start of a camera, by the wall clock as long as that does.

The sinks take a higher epoch for the newer run. A clock that was set back must not make a new run
look older than the last, or even take its place, so the last epoch is kept on disk. A run whose
epoch cannot be noted does not begin: the next one could be given the same.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

from contract.clock import NS_PER_MS, Clock
from contract.errors import StorageError
from contract.files import whole

LIMIT_MS = 1 << 53  # what a ledger and a JSON number hold; far beyond any year

log = logging.getLogger(__name__)


def next_epoch(directory: Path, camera: str, clock: Clock) -> int:
    """The epoch of a run of `camera` that begins now, ms; noted in `directory`.

    Raises:
        StorageError: it cannot be noted.
    """
    note = directory / camera
    epoch = clock.wall_ns() // NS_PER_MS
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if note.exists():
            epoch = max(epoch, _last(note) + 1)
        _write(note, str(epoch).encode("ascii"))
    except OSError as error:
        raise StorageError(
            f"camera {camera} cannot start: its run cannot be noted in {note} ({error.strerror}), "
            "and the next one could be taken for it",
            "free space on the disk, or let this user write there",
        ) from None
    return epoch


def _write(note: Path, content: bytes) -> None:
    """Note `content`; on a full disk in the place of an earlier note, which needs no room."""
    try:
        with whole(note, durable=True) as draft:
            draft.write_bytes(content)
    except OSError:
        if not note.exists() or note.stat().st_size != len(content):
            raise
        _overwrite(note, content)


def _overwrite(note: Path, content: bytes) -> None:
    descriptor = os.open(note, os.O_WRONLY)
    try:
        os.pwrite(descriptor, content, 0)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _last(note: Path) -> int:
    content = note.read_bytes()[:32]
    if content.isdigit() and int(content) < LIMIT_MS:
        return int(content)
    log.warning("the last epoch of camera %s is not known: %s holds no epoch", note.name, note)
    return 0
