"""What the tower sees in the pictures of one category, each looked at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.transforms.functional import ten_crop

from contract.image import read_image
from scorer.evaluation.accuracy import Truth
from scorer.evaluation.dataset import Category, Sample, read_mask
from scorer.scoring.winclip import WinClip
from scorer.windows.features import Features


class Gallery:
    """Features of a category's pictures, and the truth about them.

    Args:
        model: looks at the pictures; variants of it can score their features.
        category: good pictures to choose references from, and labelled ones.
        step: called after each picture that the tower has seen.
    """

    def __init__(self, model: WinClip, category: Category, step: Callable[[], None]) -> None:
        self.category = category
        self._model = model
        self._step = step
        self._train: dict[int, Features] = {}
        self._took_s: list[float] = []

    @property
    def seconds(self) -> float:
        """Median time of a picture in the image tower."""
        return float(np.median(self._took_s))

    @cached_property
    def test(self) -> list[Features]:
        """Of the labelled pictures."""
        return [self._look(sample.image) for sample in self.category.test]

    @cached_property
    def crops(self) -> list[Tensor]:
        """(10, D) of length 1 for each labelled picture: ten crops of it, seen as wholes.

        The corners and the middle of the picture at 8/7 of the model's input, and their mirror
        images (Krizhevsky et al., NeurIPS 2012): what table 3d calls multi-crop.
        """
        return [self._look_closer(sample.image) for sample in self.category.test]

    @cached_property
    def labels(self) -> Truth:
        """Bool (N,): which labelled pictures are bad."""
        return np.array([sample.is_bad for sample in self.category.test])

    @cached_property
    def masks(self) -> Truth | None:
        """Bool (N, H, W) at the model's input; None where the category has none."""
        if not self.category.has_masks:
            return None
        return np.stack(
            [_mask(sample, self._model.backbone.image_px) for sample in self.category.test]
        )

    def references(self, choice: list[int]) -> Features:
        """Of the chosen good pictures, at least one."""
        for index in choice:
            if index not in self._train:
                self._train[index] = self._look(self.category.train[index])
        return Features.cat([self._train[index] for index in choice])

    def _look(self, path: Path) -> Features:
        pixels = self._model.backbone.preprocess([read_image(path)])
        start_s = time.perf_counter()
        features = self._model.backbone.features(pixels)
        self._took_s.append(time.perf_counter() - start_s)
        self._step()
        return features

    def _look_closer(self, path: Path) -> Tensor:
        side = self._model.backbone.image_px[0]
        pixels = self._model.backbone.preprocess([read_image(path)], round(side * 8 / 7))
        alone = self._model.backbone.tower.everything(10).without_windows()
        crops = torch.cat(ten_crop(pixels, [side, side]))
        found = self._model.backbone.features(crops, alone).image.clone()
        self._step()
        return found


def _mask(sample: Sample, size_px: tuple[int, int]) -> npt.NDArray[np.bool_]:
    if sample.mask is None:
        return np.zeros(size_px, dtype=bool)
    mask = torch.from_numpy(read_mask(sample))
    shrunk = F.interpolate(mask[None, None].float(), size=size_px, mode="nearest-exact")
    found: Truth = shrunk[0, 0].numpy() > 0
    return found
