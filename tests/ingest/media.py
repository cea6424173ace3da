"""Files that the tests make."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import av
import numpy as np
from PIL import Image

from contract.image import Pixels

WIDTH_PX, HEIGHT_PX = 96, 64


def scene(index: int = 0, *, width_px: int = WIDTH_PX, height_px: int = HEIGHT_PX) -> Pixels:
    """A smooth coloured picture that differs with `index`."""
    x = np.linspace(0, 1, width_px)[None, :]
    y = np.linspace(0, 1, height_px)[:, None]
    red, green = 255 * x + 0 * y, 255 * y + 0 * x
    blue = 255 * ((x + y + index / 16) % 1.0 > 0.5)
    return np.stack([red, green, blue], axis=-1).astype(np.uint8)


def make_video(
    path: Path,
    *,
    frames: int,
    fps: int = 25,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    gop: int = 10,
    options: Mapping[str, str] | None = None,
    noise: bool = False,
) -> Path:
    """A video of `scene(0)`, `scene(1)`, ...; `noise` makes it bulky."""
    random = np.random.default_rng(1)
    with av.open(str(path), "w", options=dict(options or {})) as container:
        stream = container.add_stream(codec, rate=fps)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = WIDTH_PX, HEIGHT_PX, pixel_format
        stream.gop_size = gop
        if codec == "libx264":
            stream.options = {"preset": "ultrafast", "bf": "0", "threads": "1"}
        for index in range(frames):
            pixels = scene(index)
            if noise:
                pixels = random.integers(0, 256, pixels.shape, dtype=np.uint8)
            frame = av.VideoFrame.from_ndarray(pixels, "rgb24")
            frame.pts = index
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def make_y4m(path: Path, *, frames: int, broken_after: int | None = None) -> Path:
    """An uncompressed video; after `broken_after` frames its container makes no sense."""
    header = f"YUV4MPEG2 W{WIDTH_PX} H{HEIGHT_PX} F25:1 Ip A1:1 C420jpeg\n".encode()
    size = WIDTH_PX * HEIGHT_PX * 3 // 2
    with path.open("wb") as file:
        file.write(header)
        for index in range(frames):
            file.write(b"BROKEN" if index == broken_after else b"FRAME\n")
            file.write(bytes([index % 256]) * size)
    return path


def make_folder(path: Path, *, images: int) -> Path:
    """A folder of PNGs `000.png`, `001.png`, ... that show `scene(0)`, `scene(1)`, ..."""
    path.mkdir()
    for index in range(images):
        Image.fromarray(scene(index)).save(path / f"{index:03}.png")
    return path
