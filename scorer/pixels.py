"""From uint8 pictures to what the image tower takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2.functional import resize

from contract.errors import ImageError

Picture = npt.NDArray[np.uint8]


class Preprocessor:
    """Squash-resize (bicubic, antialiased) to the model's input and normalise, as CLIP was trained.

    Args:
        image_px: height and width of the model's input.
        mean, std: per RGB channel, of values in [0, 1].
    """

    def __init__(
        self, image_px: tuple[int, int], mean: Sequence[float], std: Sequence[float]
    ) -> None:
        self._image_px = image_px
        self._mean = torch.tensor(mean).view(3, 1, 1) * 255.0
        self._std = torch.tensor(std).view(3, 1, 1) * 255.0

    def __call__(self, images: Picture | Sequence[Picture], like: Tensor) -> Tensor:
        """(N, 3, H, W) in the dtype and on the device of `like`.

        Args:
            images: uint8 RGB, one array (N, H, W, 3) or a sequence of (H, W, 3) of any sizes.

        Raises:
            ImageError: no image, another dtype or another shape.
        """
        if len(images) == 0:
            raise ImageError("no image given", "expected at least one")
        pixels = torch.stack([self._resized(image) for image in images]).to(like.device)
        mean, std = self._mean.to(like.device), self._std.to(like.device)
        return ((pixels - mean) / std).to(like.dtype)

    def _resized(self, image: npt.NDArray[Any]) -> Tensor:
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
            raise ImageError(
                f"image of shape {image.shape} and dtype {image.dtype}",
                "expected (H, W, 3) uint8 RGB",
            )
        tensor = torch.from_numpy(np.array(image)).permute(2, 0, 1)
        if tensor.shape[1:] == self._image_px:
            return tensor
        resized: Tensor = resize(
            tensor, list(self._image_px), interpolation=InterpolationMode.BICUBIC, antialias=True
        )
        return resized
