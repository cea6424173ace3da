"""A file system of its own, small enough to be filled."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(directory: Path, options: str) -> Iterator[Path]:
    """Mounted on `directory`, which it makes; skipped where the test may not mount one."""
    directory.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(directory)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode and (os.geteuid() != 0 or "permission denied" in mounted.stderr):
        pytest.skip("mounting a tmpfs needs root")
    assert mounted.returncode == 0, mounted.stderr
    try:
        yield directory
    finally:
        subprocess.run(["umount", "-l", str(directory)], check=True)


def fill(directory: Path) -> None:
    """Leave no room on the file system of `directory`."""
    with (directory / "ballast").open("wb", buffering=0) as file:
        with pytest.raises(OSError, match="space"):
            while True:
                file.write(bytes(4096))
