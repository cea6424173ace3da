"""Files that are there whole or not at all, and for their owner alone."""

from __future__ import annotations

import contextlib
import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole(path: Path, *, durable: bool = False) -> Iterator[Path]:
    """A draft beside `path` for the block to write: it takes the place of `path` at its end.

    A block that fails leaves `path` alone and no draft behind.

    Args:
        durable: it survives a power cut.

    Raises:
        OSError: the folder cannot be written.
    """
    draft = path.with_name(f".{path.name}-{os.getpid()}-{threading.get_ident()}")
    try:
        yield draft
        if durable:
            sync(draft)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    if durable:
        sync(path.parent)


def sync(path: Path) -> None:
    """Have a file or a folder on the disk before going on: it survives a power cut.

    Raises:
        OSError: it cannot be written.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def shut_out_others(*paths: Path) -> None:
    """Take what others may do with `paths`, which an earlier version left open to them.

    What a group may do stays: somebody may have set that. Files that are not there, and those of
    another owner, stay as they are.
    """
    for path in paths:
        with contextlib.suppress(OSError):
            mode = stat.S_IMODE(path.stat().st_mode)
            if mode & stat.S_IRWXO:
                path.chmod(mode & ~stat.S_IRWXO)
