"""Whether a folder can be written, and how much room there is."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from contract.errors import StorageError

RESERVE_BYTES = 512 << 20


def room(folder: Path) -> str:
    """What is free at `folder`, after writing a file there that is gone at once.

    Where the folder is not there yet, the nearest one above it is tried.

    Raises:
        StorageError: it cannot be written, or is full.
    """
    there = _nearest(folder)
    try:
        with tempfile.TemporaryFile(dir=there) as file:
            file.write(b"room")
        free = shutil.disk_usage(there).free
    except OSError as problem:
        raise StorageError(
            f"cannot write {there}: {problem.strerror}", "another folder, or other rights"
        ) from None
    if free < RESERVE_BYTES:
        raise StorageError(f"{there} has only {size(free)} free", f"at least {size(RESERVE_BYTES)}")
    made = "" if there == folder else " (it will be made)"
    return f"{folder} can be written{made}, {size(free)} free"


def total_bytes(folder: Path) -> int:
    """The size of the disk that `folder` is on, or will be."""
    return shutil.disk_usage(_nearest(folder)).total


def size(num_bytes: int) -> str:
    """Bytes as people say them.

    >>> size(53687091200)
    '50.0 GiB'
    """
    return f"{num_bytes / (1 << 30):.1f} GiB"


def _nearest(folder: Path) -> Path:
    folder = folder.absolute()
    return next(each for each in (folder, *folder.parents) if each.exists())
