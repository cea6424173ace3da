"""The window cache: what a camera's windows looked like, for as long as their pixels stay.

A window's embedding depends on its own pixels alone. The cache keeps, per tile of a camera, a
*canvas*: the patches that its features were computed from. A patch of the next frame that differs
from the canvas replaces it there, and the windows that hold it are computed again, from the
canvas. So features are always exactly those of the canvas, and the canvas differs from the frame
by less than the tolerance, however slowly the picture drifts; at tolerance 0 it is the frame.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from scorer.windows.features import Features, Wanted
from scorer.windows.tower import ImageTower


class Entry(NamedTuple):
    """What is known of one tile. `canvas` (P, C); `features` of that one image."""

    canvas: Tensor
    features: Features


class WindowCache:
    """Features of a stream of images, computed only where their pixels changed.

    Args:
        tower: computes what is missing.
        tolerance: (C,) largest difference of a patch's values, in the units of the patches, that
            still counts as unchanged; zeros: bit-identical.
        capacity: tiles kept; the one that was not seen for longest is forgotten.
    """

    def __init__(self, tower: ImageTower, *, tolerance: Tensor, capacity: int) -> None:
        self._tower = tower
        self._tolerance = tolerance
        self._capacity = capacity
        self._entries: OrderedDict[Hashable, Entry] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def clear(self) -> None:
        """Compute everything next time."""
        self._entries.clear()

    def features(
        self, patches: Tensor, wanted: Wanted, keys: Sequence[Hashable]
    ) -> tuple[Features, Wanted]:
        """Features of N images, and what had to be looked at for them.

        Args:
            patches: (N, P, C).
            wanted: what to look at; for one key always the same.
            keys: the tile of each image; images of one tile come in the order of their time.
        """
        canvases, changed = self._compare(patches, keys)
        missing = Wanted(
            wanted.image & changed.any(dim=1),
            tuple(
                each & changed[:, windows].any(dim=-1)
                for each, windows in zip(wanted.windows, self._tower.window_patches, strict=True)
            ),
        )
        fresh = self._tower(torch.stack(canvases), missing)
        merged = Features.cat(
            [
                self._merge(key, canvases[index], fresh.take([index]), missing, index)
                for index, key in enumerate(keys)
            ]
        )
        # Only now: a tile that this batch still has to be merged with must not be forgotten.
        while len(self._entries) > self._capacity:
            self._entries.popitem(last=False)
        return merged, missing

    def _compare(self, patches: Tensor, keys: Sequence[Hashable]) -> tuple[list[Tensor], Tensor]:
        """N canvases (P, C), and bool (N, P) on the CPU: patches that differ from the one before.

        Images of one tile are compared with each other, in their order.
        """
        before = {key: entry.canvas for key, entry in self._entries.items()}
        canvases, changed = [], []
        for image, key in zip(patches, keys, strict=True):
            if key in before:
                # Not "greater", so that NaN counts as a change.
                same = ((image - before[key]).abs() <= self._tolerance).all(dim=-1)
                differs = ~same
                before[key] = torch.where(differs[:, None], image, before[key])
            else:
                differs = torch.ones(len(image), dtype=torch.bool, device=image.device)
                before[key] = image.clone()
            canvases.append(before[key])
            changed.append(differs)
        return canvases, torch.stack(changed).cpu()

    def _merge(
        self, key: Hashable, canvas: Tensor, fresh: Features, missing: Wanted, index: int
    ) -> Features:
        """Fresh features where they were missing, else those kept; kept from now on."""
        if key in self._entries:
            old = self._entries[key].features
            new_image = missing.image[[index]].to(canvas.device)
            fresh = Features(
                torch.where(new_image[:, None], fresh.image, old.image),
                torch.where(new_image[:, None, None], fresh.patches, old.patches),
                tuple(
                    torch.where(new[[index], :, None].to(canvas.device), ours, theirs)
                    for new, ours, theirs in zip(
                        missing.windows, fresh.windows, old.windows, strict=True
                    )
                ),
            )
        self._entries[key] = Entry(canvas, fresh)
        self._entries.move_to_end(key)
        return fresh
