"""Epochs that only go up: one per start of a camera, by the wall clock as long as that does.

The sinks take a higher epoch for the newer run. A clock that was set back must not make a new run
look older than the last, so the last epoch is kept on disk.
"""

from __future__ import annotations

import logging
from pathlib import Path

from contract.clock import Clock
from contract.files import whole

NS_PER_MS = 1_000_000
LIMIT_MS = 1 << 53  # what a ledger and a JSON number hold; far beyond any year

log = logging.getLogger(__name__)


def next_epoch(directory: Path, camera: str, clock: Clock) -> int:
    """The epoch of a run of `camera` that begins now, ms; noted in `directory`.

    Where the note cannot be read or written, the wall clock has to do, and it is said: better a
    camera with a clock that may be wrong than none.
    """
    note = directory / camera
    epoch = clock.wall_ns() // NS_PER_MS
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if note.exists():
            epoch = max(epoch, _last(note) + 1)
        with whole(note, durable=True) as draft:
            draft.write_text(str(epoch), "ascii")
    except OSError as error:
        log.warning(
            "the last epoch of camera %s is not known: %s: %s", camera, note, error.strerror
        )
    return epoch


def _last(note: Path) -> int:
    content = note.read_bytes()[:32]
    if content.isdigit() and int(content) < LIMIT_MS:
        return int(content)
    log.warning("the last epoch of camera %s is not known: %s holds no epoch", note.name, note)
    return 0
