"""From a decoded frame to the inspected crop, in one swscale pass."""

from __future__ import annotations

from typing import NamedTuple

import av
import numpy as np
from av.filter import Graph

from contract.config import Region
from contract.errors import SourceError
from contract.image import Pixels

# The cubic of Pillow's BICUBIC (Keys, a = -1/2), so that a video frame and a picture file of the
# same scene give the same crop; both widen their support when they shrink.
_SCALE = "flags=bicubic+accurate_rnd+full_chroma_int:param0=0:param1=0.5"


class _Shape(NamedTuple):
    width_px: int
    height_px: int
    pixel_format: str
    colour_space: int
    colour_range: int
    region: Region | None
    size_px: int


class Cropper:
    """Crops, resizes and converts to RGB; libavfilter's crop only moves pointers.

    In formats with halved chroma (4:2:0, 4:2:2) the region snaps to even pixels, downwards:
    libavfilter's `exact` mode swaps or garbles the chroma of NV12 and of 10-bit formats.
    The filter graph is kept for as long as frames look alike. Colour space and range are those
    that the frame declares; undeclared ones are what libswscale takes them for.
    """

    def __init__(self) -> None:
        self._shape: _Shape | None = None
        self._graph = Graph()

    def render(self, frame: av.VideoFrame, region: Region | None, size_px: int) -> Pixels:
        """`region` of `frame` as (size_px, size_px, 3) RGB.

        Raises:
            SourceError: a pixel format that libswscale cannot convert.
        """
        shape = _Shape(
            frame.width,
            frame.height,
            frame.format.name,
            int(frame.colorspace),
            int(frame.color_range),
            region,
            size_px,
        )
        try:
            if shape != self._shape:
                self._graph, self._shape = _build(shape), shape
            self._graph.vpush(frame)
            pixels = self._graph.vpull().to_ndarray()
        except av.FFmpegError as error:
            raise SourceError(
                f"cannot convert {shape.pixel_format} frames to RGB", str(error.strerror)
            ) from None
        return np.ascontiguousarray(pixels, dtype=np.uint8)


def _build(shape: _Shape) -> Graph:
    graph = Graph()
    graph.threads = 1
    chain = [
        graph.add(
            "buffer",
            f"video_size={shape.width_px}x{shape.height_px}:pix_fmt={shape.pixel_format}"
            f":time_base=1/1:colorspace={shape.colour_space}:range={shape.colour_range}",
        )
    ]
    if (region := shape.region) is not None:
        place = f"{region.width_px}:{region.height_px}:{region.x_px}:{region.y_px}"
        chain.append(graph.add("crop", place))
    chain += [
        graph.add("scale", f"{shape.size_px}:{shape.size_px}:{_SCALE}"),
        graph.add("format", "rgb24"),
        graph.add("buffersink"),
    ]
    graph.link_nodes(*chain).configure()
    return graph
