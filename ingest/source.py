"""Which source a camera's `source` names, and how it is opened."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from contract.config import Camera
from contract.errors import SourceConfigError
from ingest.folder import read_folder
from ingest.picture import Picture, Stream
from ingest.video import LOW_LATENCY, read_file, read_live

Open = Callable[[Camera, str], Stream]


@dataclass(frozen=True)
class Kind:
    """One kind of source.

    Args:
        open: from a camera and its location, credentials included, to its items. Nothing is
            opened before the first item is asked for.
        live: it has no end, so an end is an outage.
        one_size: all its pictures should have one size.
        sampled: `fps` picks from its frames (for a folder it sets their distance).
    """

    name: str
    open: Open
    live: bool
    one_size: bool = True
    sampled: bool = True


def kind_of(source: str) -> Kind:
    """The kind of `source`; whether it can be opened shows at the opening."""
    return next(kind for matches, kind in _KINDS if matches(source))


def endless(open_once: Callable[[], Stream]) -> Stream:
    """The items of a source that starts again at its end; `pts_ns` keeps rising.

    Raises:
        SourceConfigError: a whole round gave no picture.
    """
    end_ns = 0
    first_round = True
    while True:
        shift_ns = 0 if first_round else None
        with closing(open_once()) as items:
            for item in items:
                if isinstance(item, Picture) and item.pts_ns is not None:
                    if shift_ns is None:
                        shift_ns = end_ns - item.pts_ns
                    position_ns = item.pts_ns + shift_ns
                    end_ns = max(end_ns, position_ns + item.duration_ns)
                    first_round = False
                    item = replace(item, pts_ns=position_ns)
                yield item
        if first_round or shift_ns is None:
            raise SourceConfigError("the source gave no picture", "there is nothing to repeat")


def _open_rtsp(camera: Camera, location: str) -> Stream:
    return read_live(camera, location, options={"rtsp_transport": "tcp", **LOW_LATENCY})


def _open_http(camera: Camera, location: str) -> Stream:
    return read_live(camera, location, options=LOW_LATENCY)


def _open_device(camera: Camera, location: str) -> Stream:
    return read_live(camera, location, options={}, format_name="v4l2")


def _open_file(camera: Camera, location: str) -> Stream:
    return read_file(Path(location))


def _open_folder(camera: Camera, location: str) -> Stream:
    return read_folder(Path(location), fps=camera.fps or 1.0)


def _refuse(camera: Camera, location: str) -> Stream:
    raise SourceConfigError(
        f"camera {camera.name}: unknown kind of source {camera.source}",
        "use rtsp(s)://, http(s)://, /dev/videoN, a video file or an image folder",
    )


def _like(pattern: str) -> Callable[[str], bool]:
    return lambda source: re.fullmatch(pattern, source, re.IGNORECASE) is not None


_FOLDER = Kind("folder", _open_folder, live=False, one_size=False, sampled=False)
_KINDS: tuple[tuple[Callable[[str], bool], Kind], ...] = (
    (_like(r"rtsps?://.+"), Kind("rtsp", _open_rtsp, live=True)),
    (_like(r"https?://.+"), Kind("http", _open_http, live=True)),
    (_like(r"/dev/video[0-9]+"), Kind("device", _open_device, live=True)),
    (_like(r"[a-z][a-z0-9+.-]*://.*"), Kind("unknown", _refuse, live=False)),
    (lambda source: Path(source).is_dir(), _FOLDER),
    (lambda source: True, Kind("file", _open_file, live=False)),
)
