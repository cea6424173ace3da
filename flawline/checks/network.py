"""How the processes reach each other: addresses, keys and the private folder."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping

from contract.channels import CHANNELS
from contract.config import Config
from contract.curve import check_keys
from contract.errors import ConfigError
from contract.sockets import endpoint_of
from flawline.checks.note import Note, error


def check_network(config: Config, environ: Mapping[str, str]) -> Iterator[Note]:
    """Socket paths that are too long, keys that are missing, a folder that others can enter."""
    directory = ("network", "directory")
    for channel in CHANNELS:
        try:
            endpoint_of(config, channel)
        except ConfigError as problem:
            own = getattr(config.network, channel) is not None
            yield error(("network", channel) if own else directory, problem)
            if not own:
                break
    if config.network.curve_directory is not None:
        try:
            check_keys(config.network.curve_directory)
        except (ConfigError, OSError) as problem:
            yield error(("network", "curve_directory"), str(problem))
    run = config.run_directory
    if run.is_dir() and stat.S_IMODE(run.stat().st_mode) & 0o077:
        yield error(directory, f"{run} is open to other users: chmod 700 {run}, or another")
