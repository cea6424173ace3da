"""A file that one process holds, for as long as it lives."""

from __future__ import annotations

import fcntl
import os
import stat
from pathlib import Path
from typing import IO

from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from contract.errors import AddressInUse, ConfigError, StorageError

ASKED_FOR_S = 0.2


def hold(path: Path) -> IO[bytes]:
    """Hold `path`.lock until what is returned is closed, or this process ends in any way.

    Raises:
        AddressInUse: another process holds it.
        ConfigError: the folder is open to other users.
        StorageError: the folder cannot be used.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if stat.S_IMODE(path.parent.stat().st_mode) & 0o077:
            raise ConfigError(
                f"{path.parent} is open to other users", f"chmod 700 {path.parent}, or another"
            )
        handle = _lock_path(path).open("wb")
    except OSError as error:
        raise StorageError(f"cannot use {path.parent} for sockets: {error.strerror}") from error
    # Whoever asks `is_held` has it for a moment.
    asking = Retrying(
        retry=retry_if_exception_type(BlockingIOError),
        stop=stop_after_delay(ASKED_FOR_S),
        wait=wait_fixed(ASKED_FOR_S / 20),
        reraise=True,
    )
    try:
        asking(fcntl.flock, handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        handle.close()
        raise AddressInUse(
            f"{path} is in use by another process", "stop it or set another network.directory"
        ) from None
    os.set_inheritable(handle.fileno(), False)
    return handle


def is_held(path: Path) -> bool:
    """Whether a process that lives holds `path`.lock."""
    try:
        with _lock_path(path).open("rb") as handle:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _lock_path(path: Path) -> Path:
    return path.with_name(path.name + ".lock")
