"""`flawline --version`: what is installed, and which weights are in the package."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from contract.process import software_version

MODEL_LIBRARIES: Final = ("torch", "open_clip_torch", "timm")
WEIGHTS: Final = Path("assets", "flawline-mini.safetensors")


def version_lines() -> Iterator[str]:
    """Name and version of each thing that a score depends on, read without importing them."""
    yield f"flawline {software_version()}"
    yield f"python {platform.python_version()}"
    for name in MODEL_LIBRARIES:
        try:
            yield f"{name} {version(name)}"
        except PackageNotFoundError:
            yield f"{name} not installed"
    yield f"{WEIGHTS.stem} sha256 {_embedded_sha256()}"


def _embedded_sha256() -> str:
    """SHA-256 of the weights in the package, as verdicts carry it."""
    # Importing the scorer would import torch, which takes seconds.
    spec = find_spec("scorer")
    for folder in (spec and spec.submodule_search_locations) or ():
        if (path := Path(folder) / WEIGHTS).is_file():
            return hashlib.sha256(path.read_bytes()).hexdigest()
    return "not in this installation"
