"""An image folder as a source: its images by name, each standing for one frame period."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from contract.clock import NS_PER_S
from contract.config import Region
from contract.errors import ImageError, SourceConfigError
from contract.image import Pixels, list_images, read_image
from ingest.picture import Damage, Picture, Stream


def read_folder(path: Path, *, fps: float) -> Stream:
    """The images directly in `path`, sorted by name, `fps` a second apart.

    An image that cannot be read becomes a `Damage` that names it.

    Raises:
        SourceConfigError: no image files, or none that can be read.
    """
    try:
        files = list_images(path)
    except ImageError as error:
        raise SourceConfigError(error.what, error.remedy) from None
    period_ns = NS_PER_S / fps
    readable = 0
    for index, file in enumerate(files):
        try:
            pixels = read_image(file)
        except ImageError as error:
            yield Damage(str(error))
            continue
        readable += 1
        yield Picture(
            width_px=pixels.shape[1],
            height_px=pixels.shape[0],
            render=partial(_crop, pixels),
            pts_ns=round(index * period_ns),
            duration_ns=round(period_ns),
            name=str(file),
        )
    if readable == 0:
        raise SourceConfigError(f"none of the {len(files)} images in {path} can be read")


def _crop(pixels: Pixels, region: Region | None, size_px: int) -> Pixels:
    box = None
    if region is not None:
        right_px, bottom_px = region.x_px + region.width_px, region.y_px + region.height_px
        box = (region.x_px, region.y_px, right_px, bottom_px)
    image = Image.fromarray(pixels)
    return np.array(image.resize((size_px, size_px), Image.Resampling.BICUBIC, box=box))
