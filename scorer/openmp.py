"""How the threads of a matrix product wait for each other: asleep.

OpenMP lets threads that are done spin for milliseconds, in case there is more to do. Where other
processes use the cores, those that spin take them from those that are waited for, and a frame
takes several times as long. OpenMP reads the environment once, when torch is loaded.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Final

# In GNU's OpenMP, which torch brings on Linux, and in Intel's and LLVM's.
WAITING: Final = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")


def wait_asleep(environment: MutableMapping[str, str]) -> None:
    """Have OpenMP's threads sleep while they wait, unless the user chose how they do."""
    if not any(name in environment for name in WAITING):
        environment["OMP_WAIT_POLICY"] = "PASSIVE"
