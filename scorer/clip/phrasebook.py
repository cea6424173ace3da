"""Text prototypes on disk: what words mean to a model is computed once, not at each start."""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path
from typing import Final

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from contract.files import whole

MAX_PAGES: Final = 256
_TENSOR: Final = "prototypes"
_DIGEST: Final = "sha256"

Words = tuple[object, ...]
"""All that prototypes are made from, of what JSON knows."""

log = logging.getLogger(__name__)


class Phrasebook:
    """A page for each set of words. To lose it costs time, nothing else.

    Args:
        directory: made with the first page.
        weights_sha256: of the model that the words are for.
        device: where it runs.
    """

    def __init__(self, directory: Path, *, weights_sha256: str, device: torch.device) -> None:
        self._directory = directory
        # The rest decides on last bits: what is read is what would be computed.
        self._made_with = (
            weights_sha256,
            str(device),
            str(torch.__version__),
            torch.backends.cpu.get_cpu_capability(),
            torch.get_num_threads(),
        )

    def read(self, words: Words) -> Tensor | None:
        """What was written of `words`; None: nothing, or nothing that can be trusted."""
        path = self._page(words)
        try:
            with safe_open(path, framework="pt") as page:
                prototypes: Tensor = page.get_tensor(_TENSOR)
                told = (page.metadata() or {}).get(_DIGEST)
            if told != _digest(prototypes):
                raise SafetensorError("its numbers are not those that were written")
        except FileNotFoundError:
            return None
        except (OSError, SafetensorError) as error:
            log.warning("%s is damaged and computed anew: %s", path, error)
            return None
        return prototypes

    def write(self, words: Words, prototypes: Tensor) -> None:
        """Keep `prototypes` (float32) of `words`; where that cannot be, the log says so."""
        page = prototypes.cpu().contiguous()
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            self._make_room()
            with whole(self._page(words)) as draft:
                save_file({_TENSOR: page}, draft, metadata={_DIGEST: _digest(page)})
        except (OSError, SafetensorError) as error:
            log.warning("words are computed anew at the next start: %s", error)

    def _make_room(self) -> None:
        """A full book is begun anew: most of it is of words and weights that are used no more."""
        pages = list(self._directory.iterdir())
        if len(pages) >= MAX_PAGES:
            for page in pages:
                page.unlink(missing_ok=True)

    def _page(self, words: Words) -> Path:
        key = json.dumps([self._made_with, words])
        return self._directory / f"{hashlib.sha256(key.encode()).hexdigest()}.safetensors"


def _digest(prototypes: Tensor) -> str:
    content = prototypes.numpy()
    described = f"{content.dtype} {content.shape} ".encode()
    return hashlib.sha256(described + content.tobytes()).hexdigest()
