"""anomalib's WinCLIP as a contender, in a process and an environment of its own."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import torch

WORKER = Path(__file__).with_name("anomalib_worker.py")


class Anomalib:
    """Use as a context manager.

    Args:
        python: of an environment with anomalib; `tools/anomalib_env.sh` makes one.
        weights: safetensors with a CLIP state dict of ViT-B-16-plus-240.
        pixels: safetensors with `references` and `images`, preprocessed.
        object_name: what prompts are about.
    """

    def __init__(self, python: Path, *, weights: Path, pixels: Path, object_name: str) -> None:
        self._pixels = pixels
        self._process = subprocess.Popen(
            [python, WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.versions: dict[str, str] = self._ask(
            do="setup",
            weights=str(weights),
            pixels=str(pixels),
            object=object_name,
            threads=torch.get_num_threads(),
        )["versions"]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()

    def score(self) -> dict[str, Any]:
        """`took_s`, `scores` (N,) and `maps` (N, H, W) of the images."""
        return self._ask(do="score", pixels=str(self._pixels))

    def _ask(self, **request: object) -> dict[str, Any]:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(
                "anomalib's process ended: is the environment complete? See tools/anomalib_env.sh"
            )
        found: dict[str, Any] = json.loads(answer)
        return found
