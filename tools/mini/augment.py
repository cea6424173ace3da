"""What a camera on a line adds: place, light, blur, noise and compression."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from tools.mini.model import SIDE
from tools.mini.noise import Rng

Bytes = NDArray[np.uint8]


def crop(
    rng: Rng, images: Bytes, masks: Bytes, moving: bool, turned: bool = True
) -> tuple[Bytes, Bytes]:
    """Cut 240 px out of each canvas.

    Args:
        images: uint8 [V, C, C, 3].
        masks: uint8 [V, C, C].
        moving: a place of its own for each view, else nearly the same place for all.
        turned: one random dihedral turn for the whole group.

    Returns:
        uint8 [V, 240, 240, 3] and [V, 240, 240].
    """
    room = images.shape[1] - SIDE
    base = rng.integers(0, room + 1, 2)
    turn, flip = (int(rng.integers(4)), bool(rng.integers(2))) if turned else (0, False)
    made_images, made_masks = [], []
    for image, mask in zip(images, masks, strict=True):
        place = rng.integers(0, room + 1, 2) if moving else base + rng.integers(-3, 4, 2)
        row, column = place.clip(0, room)
        cut = np.s_[row : row + SIDE, column : column + SIDE]
        parts = [np.rot90(image[cut], turn), np.rot90(mask[cut], turn)]
        if flip:
            parts = [part[:, ::-1] for part in parts]
        made_images.append(parts[0])
        made_masks.append(parts[1])
    return np.stack(made_images), np.stack(made_masks)


def camera(rng: Rng, image: Bytes) -> Bytes:
    """One exposure: lighting +-10 % with a slight slope, blur, sensor noise, JPEG.

    Args:
        image: uint8 [240, 240, 3].
    """
    slope = np.linspace(-1, 1, SIDE, dtype=np.float32) * rng.uniform(-0.05, 0.05)
    gain = rng.uniform(0.9, 1.1) * rng.uniform(0.98, 1.02, 3).astype(np.float32)
    light = image * (gain * (1 + slope[:, None, None])).astype(np.float32)
    if rng.random() < 0.6:
        light = light + rng.normal(0, rng.uniform(0.5, 4), (SIDE, SIDE, 1)).astype(np.float32)
    picture = Image.fromarray(light.clip(0, 255).astype(np.uint8))
    if rng.random() < 0.5:
        picture = picture.filter(ImageFilter.GaussianBlur(rng.uniform(0.2, 0.9)))
    if rng.random() < 0.7:
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=int(rng.integers(35, 96)), subsampling=2)
        picture = Image.open(buffer)
    return np.asarray(picture)
