"""The configuration that a station has accepted, filed for its processes.

A process that starts again meets it as it was checked, whatever became of the file since: half an
edit must not stop a camera that fell over.
"""

from __future__ import annotations

from pathlib import Path

import yaml

from contract.config import Config
from contract.config_file import MAX_BYTES
from contract.errors import ConfigError, StorageError
from contract.files import whole

NAME = "accepted.yaml"


def accept(config: Config) -> Path:
    """File `config`, with all paths absolute, in the station's run directory; the file.

    It names no secret, but only its owner may read it: the address of a store may hold one.

    Raises:
        ConfigError: it is too large once all that its aliases save is written out.
        StorageError: it cannot be written.
    """
    path = config.run_directory / NAME
    plain = config.model_dump(mode="json", exclude_defaults=True)
    text = yaml.safe_dump(plain, sort_keys=False, allow_unicode=True)
    if len(text.encode()) > MAX_BYTES:
        raise ConfigError(
            f"the configuration has more than {MAX_BYTES >> 10} kB with its aliases written out",
            "fewer or shorter values",
        )
    try:
        with whole(path) as draft:
            draft.touch(mode=0o600)
            draft.write_text(text, "utf-8")
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror}") from None
    return path


def forget(config: Config) -> None:
    """Remove what was filed: no process reads it any more."""
    (config.run_directory / NAME).unlink(missing_ok=True)
