"""What the image tower shall look at, and what it sees there."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Features(NamedTuple):
    """What the tower sees in N images; every vector has length 1, or is 0 if it was not wanted.

    Attributes:
        image: (N, D) class token of the whole image, projected.
        patches: (N, P, width) patch tokens of the whole image after `ln_post`, not projected.
        windows: per scale (N, W, D) class token of each window, projected.
    """

    image: Tensor
    patches: Tensor
    windows: tuple[Tensor, ...]

    def take(self, images: slice | list[int]) -> Features:
        """The features of some of the images."""
        return Features(
            self.image[images], self.patches[images], tuple(each[images] for each in self.windows)
        )

    @classmethod
    def cat(cls, parts: list[Features]) -> Features:
        """The features of several batches as one."""
        if len(parts) == 1:
            return parts[0]
        return cls(
            torch.cat([part.image for part in parts]),
            torch.cat([part.patches for part in parts]),
            tuple(torch.cat(each) for each in zip(*(part.windows for part in parts), strict=True)),
        )


class Wanted(NamedTuple):
    """What the tower shall look at, bool.

    Attributes:
        image: (N,) the whole image: its class token and its patches.
        windows: per scale (N, W).
    """

    image: Tensor
    windows: tuple[Tensor, ...]

    @property
    def groups(self) -> tuple[Tensor, ...]:
        """The image as a window among the others: (N, 1), then per scale (N, W)."""
        return (self.image[:, None], *self.windows)

    @property
    def num_windows(self) -> Tensor:
        """int64 (N,): windows of each image, the whole image among them."""
        return torch.cat(self.groups, dim=1).sum(dim=1)

    @classmethod
    def cat(cls, parts: list[Wanted]) -> Wanted:
        """What is wanted of several batches as one."""
        return cls(
            torch.cat([part.image for part in parts]),
            tuple(torch.cat(each) for each in zip(*(part.windows for part in parts), strict=True)),
        )

    def without_windows(self) -> Wanted:
        """The whole images alone."""
        return Wanted(self.image, tuple(torch.zeros_like(each) for each in self.windows))

    def repeat(self, times: int) -> Wanted:
        """The same of several batches that are alike."""
        return Wanted(
            self.image.repeat(times), tuple(each.repeat(times, 1) for each in self.windows)
        )

    def take(self, images: slice) -> Wanted:
        """What is wanted of some of the images."""
        return Wanted(self.image[images], tuple(each[images] for each in self.windows))
