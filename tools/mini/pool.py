"""Batches from the training pool."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from tools.mini.augment import camera, crop


@dataclass(frozen=True)
class Batch:
    """Some groups of views.

    Attributes:
        images: uint8 [G, V, 240, 240, 3].
        masks: uint8 [G, V, 240, 240].
        kinds: int64 [G, V], -1 without a defect.
        names: the word of each group.
    """

    images: Tensor
    masks: Tensor
    kinds: Tensor
    names: list[str]

    def split(self, parts: int) -> list["Batch"]:
        """Parts with an equal number of groups each."""
        size = -(-len(self.names) // parts)
        cuts = [slice(start, start + size) for start in range(0, len(self.names), size)]
        return [
            Batch(self.images[cut], self.masks[cut], self.kinds[cut], self.names[cut])
            for cut in cuts
        ]


class Pool(IterableDataset[Batch]):
    """Endless random batches of augmented groups.

    Args:
        folder: what `tools.mini.data` wrote.
        groups: groups in a batch.
        seed: of order and augmentation; a resumed run takes another one.
    """

    def __init__(self, folder: Path, groups: int, seed: int) -> None:
        self._images = np.load(folder / "images.npy", mmap_mode="r")
        self._masks = np.load(folder / "masks.npy", mmap_mode="r")
        self._kinds = np.load(folder / "kinds.npy")
        self._names: list[str] = json.loads((folder / "names.json").read_text())
        self._groups, self._seed = groups, seed

    def __iter__(self) -> Iterator[Batch]:
        rng = np.random.default_rng(self._seed)
        while True:
            order = rng.permutation(len(self._names))
            for start in range(0, len(order) - self._groups + 1, self._groups):
                yield self._batch(rng, order[start : start + self._groups])

    def _batch(self, rng: np.random.Generator, picks: np.ndarray) -> Batch:
        images, masks = [], []
        for pick in picks:
            moving = bool(rng.random() < 0.5)
            views, cut = crop(rng, self._images[pick], self._masks[pick], moving)
            images.append(np.stack([camera(rng, view) for view in views]))
            masks.append(cut)
        return Batch(
            torch.from_numpy(np.stack(images)),
            torch.from_numpy(np.stack(masks)),
            torch.from_numpy(self._kinds[picks]),
            [self._names[pick] for pick in picks],
        )


def loader(pool: Pool) -> DataLoader[Batch]:
    """Batches made ahead of time in one other process."""
    return DataLoader(pool, batch_size=None, num_workers=1, prefetch_factor=4)
