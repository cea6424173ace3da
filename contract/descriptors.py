"""File descriptors: how many this process may have, and how many of them connections may take."""

from __future__ import annotations

import resource
from typing import Final

ENOUGH: Final = 1024
"""select(2), which the Modbus client waits with, sees no higher descriptor: more would not help."""
SHARES: Final = 8
"""One for the metrics, one for each of three channels: half is left for the work itself."""


def ensure_enough() -> None:
    """Raise the soft limit to `ENOUGH`, as far as the hard limit allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = ENOUGH if hard == resource.RLIM_INFINITY else min(ENOUGH, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def share() -> int:
    """How many connections one port may hold."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return (ENOUGH if soft == resource.RLIM_INFINITY else min(ENOUGH, soft)) // SHARES
