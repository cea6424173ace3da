"""The configuration that a station has accepted, filed for its processes.

A process that starts again meets it as it was checked, whatever became of the file since: half an
edit must not stop a camera that fell over.
"""

from __future__ import annotations

import os
from pathlib import Path

from contract.config import Config
from contract.errors import StorageError

NAME = "configuration.json"


def accept(config: Config) -> Path:
    """File `config`, with all paths absolute, in the station's run directory; the file.

    JSON is YAML: `load_config` reads it as any other. It names no secret, but only its owner may
    read it, because the address of a store may hold one.

    Raises:
        StorageError: it cannot be written.
    """
    path = config.run_directory / NAME
    part = path.with_suffix(".part")
    try:
        with open(part, "w", encoding="utf-8", opener=_private) as file:
            file.write(config.model_dump_json(indent=1))
        part.replace(path)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror}") from None
    return path


def _private(name: str, flags: int) -> int:
    return os.open(name, flags, 0o600)
