"""From uint8 pictures to what the image tower takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from contract.errors import ImageError
from contract.image import Pixels


class Preprocessor:
    """Squash-resize (bicubic, antialiased) and normalise, as CLIP was trained.

    Args:
        mean, std: per RGB channel, of values in [0, 1].
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        self._mean = torch.tensor(mean).view(3, 1, 1) * 255.0
        self._std = torch.tensor(std).view(3, 1, 1) * 255.0
        self._there: dict[torch.device, tuple[Tensor, Tensor]] = {}

    def __call__(self, images: Pixels | Sequence[Pixels], like: Tensor, size_px: int) -> Tensor:
        """(N, 3, size_px, size_px) in the dtype and on the device of `like`.

        Bytes travel to a GPU from pinned memory, without waiting, and become numbers there.

        Args:
            images: uint8 RGB, one array (N, H, W, 3) or a sequence of (H, W, 3) of any sizes.

        Raises:
            ImageError: no image, another dtype or another shape.
        """
        if len(images) == 0:
            raise ImageError("no image given", "expected at least one")
        pixels = torch.stack([_resized(image, size_px) for image in images])
        if like.is_cuda:
            pixels = pixels.pin_memory()
        pixels = pixels.to(like.device, non_blocking=True)
        mean, std = self._on(like.device)
        return ((pixels - mean) / std).to(like.dtype)

    def _on(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation on `device`: copied once, since a copy would wait."""
        if device not in self._there:
            self._there[device] = (self._mean.to(device), self._std.to(device))
        return self._there[device]

    def levels(self, grey_levels: float) -> Tensor:
        """(3,) `grey_levels` of 255 in the units of normalised pixels, per channel."""
        return grey_levels / self._std.flatten()


def _resized(image: npt.NDArray[Any], size_px: int) -> Tensor:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        raise ImageError(
            f"image of shape {image.shape} and dtype {image.dtype}",
            "expected (H, W, 3) uint8 RGB",
        )
    tensor = torch.from_numpy(np.array(image)).permute(2, 0, 1)
    if tensor.shape[1:] == (size_px, size_px):
        return tensor
    # Here, because they load torch's compiler: frames come in their size, and need not wait for it.
    from torchvision.transforms.v2 import InterpolationMode
    from torchvision.transforms.v2.functional import resize

    resized: Tensor = resize(
        tensor, [size_px, size_px], interpolation=InterpolationMode.BICUBIC, antialias=True
    )
    return resized
