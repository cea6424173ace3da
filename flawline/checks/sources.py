"""Cameras, as far as they can be checked without opening one; files and folders are opened."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from contract.clock import SystemClock
from contract.config import Camera, Config
from contract.config_file import Location
from contract.errors import ImageError, SourceError
from flawline.checks.note import Note, error

SCHEMES = ("rtsp", "rtsps", "http", "https")
DEVICE = "/dev/"
LOOK_S = 10.0


def cameras_of(config: Config) -> Iterator[tuple[Location, Camera]]:
    """Every camera with its place in the configuration."""
    for number, line in enumerate(config.lines):
        for place, camera in enumerate(line.cameras):
            yield ("lines", number, "cameras", place), camera


def check_access(config: Config, environ: Mapping[str, str]) -> Iterator[Note]:
    """Kinds of sources that there are not, and passwords that are not there."""
    from ingest.credentials import location_of

    for here, camera in cameras_of(config):
        scheme = urlsplit(camera.source).scheme.lower() if "://" in camera.source else None
        if scheme is not None and scheme not in SCHEMES:
            yield error((*here, "source"), _unknown(scheme))
        elif scheme is not None and not urlsplit(camera.source).hostname:
            yield error((*here, "source"), f"{camera.source} names no host")
        elif camera.source.startswith(DEVICE) and not Path(camera.source).exists():
            yield error(
                (*here, "source"), f"{camera.source} is not there: is the camera plugged in?"
            )
        try:
            location_of(camera, environ)
        except SourceError as problem:
            yield error((*here, "credentials"), problem)


def check_files(config: Config, environ: Mapping[str, str]) -> Iterator[Note]:
    """Files and folders that give no picture, and regions that lie outside of it."""
    from ingest.glance import glance
    from ingest.picture import misfit

    for here, camera in cameras_of(config):
        if "://" in camera.source or camera.source.startswith(DEVICE):
            continue
        try:
            found = glance(
                camera.model_copy(update={"credentials": None}),
                environ,
                SystemClock(),
                within_s=LOOK_S,
            )
        except SourceError as problem:
            yield error((*here, "source"), problem)
            continue
        outside = misfit(camera.region, width_px=found.width_px, height_px=found.height_px)
        if outside is not None:
            yield error((*here, "region"), outside)


def check_masks(config: Config, environ: Mapping[str, str]) -> Iterator[Note]:
    """Masks that cannot be read, or leave nothing to inspect."""
    from contract.image import MASK_LEVEL, read_image

    for number, line in enumerate(config.lines):
        if line.mask is None:
            continue
        here = ("lines", number, "mask")
        try:
            brightest = read_image(line.mask).max()
        except ImageError as problem:
            yield error(here, problem)
            continue
        if brightest <= MASK_LEVEL:
            yield error(here, f"{line.mask} is black: paint white what is inspected")


def _unknown(scheme: str) -> str:
    nearest = difflib.get_close_matches(scheme, SCHEMES, n=1)
    hint = f"did you mean {nearest[0]}://? " if nearest else ""
    return (
        f"unknown kind of source {scheme}://: {hint}use rtsp(s)://, http(s)://, /dev/videoN, a "
        "video file or an image folder"
    )
