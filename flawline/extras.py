"""What a command needs that not every installation has."""

from __future__ import annotations

from importlib.util import find_spec

from contract.errors import ConfigError


def require(module: str, *, extra: str) -> None:
    """Say before the work, and not after an hour of it, that something is missing.

    Raises:
        ConfigError: `module` is not installed; names the extra that brings it.
    """
    if find_spec(module) is None:
        raise ConfigError(f"{module} is not installed here", f"pip install 'flawline[{extra}]'")
