"""Image files as every process must see them: uint8 RGB, upright, whatever the file held."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from contract.errors import ImageError

IMAGE_SUFFIXES: Final = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
MAX_IMAGE_PIXELS: Final = 200_000_000
MASK_LEVEL: Final = 127
"""In a mask, what is brighter than this, of 255, counts."""

Pixels = npt.NDArray[np.uint8]
"""A picture (H, W, 3), uint8, RGB."""


def read_image(path: Path) -> Pixels:
    """The picture in `path` as (H, W, 3), uint8, RGB.

    Grey values are repeated, 16-bit grey is divided by 257, an alpha channel is laid over black,
    palettes and CMYK are converted, and the EXIF orientation is applied.

    Raises:
        ImageError: missing, empty, truncated, too large, or no image.
    """
    try:
        if path.stat().st_size == 0:
            raise ImageError(f"{path} is empty (0 bytes)", "copy it again")
        with Image.open(path) as image:
            if image.width * image.height > MAX_IMAGE_PIXELS:
                raise ImageError(
                    f"{path} has {image.width} x {image.height} pixels",
                    f"at most {MAX_IMAGE_PIXELS} in all",
                )
            image.load()
            return np.asarray(_to_rgb(ImageOps.exif_transpose(image)))
    except UnidentifiedImageError:
        raise ImageError(
            f"{path} is not an image that can be read",
            f"expected {', '.join(sorted(IMAGE_SUFFIXES))}",
        ) from None
    except FileNotFoundError:
        raise ImageError(f"{path} does not exist") from None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        if isinstance(error, ImageError):
            raise
        raise ImageError(f"{path} is damaged or cut off", str(error)) from None


def list_images(directory: Path) -> list[Path]:
    """Image files in `directory` by name, not looking into its folders.

    Raises:
        ImageError: no such folder, or no image in it.
    """
    if not directory.is_dir():
        raise ImageError(f"{directory} is not a folder")
    found = sorted(
        path
        for path in directory.iterdir()
        if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")
    )
    if not found:
        raise ImageError(
            f"no image in {directory}",
            f"expected files ending in {', '.join(sorted(IMAGE_SUFFIXES))}",
        )
    return found


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16") or image.mode == "I":
        grey = np.asarray(image).clip(0, 65535) // 257
        return Image.fromarray(grey.astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        return Image.fromarray(np.asarray(image).clip(0, 255).astype(np.uint8)).convert("RGB")
    if "A" in image.getbands() or "transparency" in image.info:
        rgba = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "black"), rgba).convert("RGB")
    return image.convert("RGB")
