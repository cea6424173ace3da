"""Video through PyAV: network cameras, devices and files.

PyAV's exceptions carry the whole URL in their text, arguments and file name, password included:
nothing of theirs leaves this module but the words for the error.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import av
from av.container import InputContainer
from av.format import Flags
from av.video.stream import VideoStream

from contract.clock import NS_PER_S
from contract.config import Camera
from contract.errors import SourceConfigError, SourceError
from contract.redact import redact
from ingest.crop import Cropper
from ingest.picture import Damage, Picture, Stream

LOW_LATENCY: Mapping[str, str] = {"analyzeduration": "200000", "fflags": "nobuffer"}
EARLY_END_S = 0.5

# fmt: off
VIDEO_SUFFIXES = frozenset({
    ".264", ".265", ".3gp", ".avi", ".flv", ".h264", ".h265", ".hevc", ".m2ts", ".m4v", ".mjpeg",
    ".mjpg", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf", ".ogv", ".ts", ".vob",
    ".webm", ".wmv", ".y4m",
})
# fmt: on

_REMEDIES: tuple[tuple[type[Exception], str], ...] = (
    (av.HTTPUnauthorizedError, "check credentials.username and the password"),
    (av.HTTPForbiddenError, "check the rights of credentials.username"),
    (av.HTTPNotFoundError, "check the path in the URL"),
    (av.ConnectionRefusedError, "check that the camera is on, and the port"),
    (av.PermissionError, "this user may not read it"),
    (av.FileNotFoundError, "check that it is there"),
)

log = logging.getLogger(__name__)


def read_live(
    camera: Camera, location: str, *, options: Mapping[str, str], format_name: str | None = None
) -> Stream:
    """The frames of a live source, until it ends or fails.

    Raises:
        SourceError: it cannot be opened within `open_timeout_s`, or says nothing for
            `read_timeout_s`, or fails.
    """
    shown = redact(camera.source)
    with _translated(shown, f"no answer within {camera.open_timeout_s:g} s"):
        container = av.open(
            location,
            format=format_name,
            options=dict(options),
            timeout=(camera.open_timeout_s, camera.read_timeout_s),
        )
    with container, _translated(shown, f"nothing came for {camera.read_timeout_s:g} s"):
        stream = _video_of(container)
        if stream is None:
            raise SourceError(f"{shown} has no video that can be decoded", "check the camera")
        # MJPEG over HTTP has no timestamps: libavformat makes them up from a rate of its own.
        made_up = bool(Flags(container.format.flags) & Flags.no_timestamps)
        for item in _decoded(container, stream):
            yield replace(item, pts_ns=None) if made_up and isinstance(item, Picture) else item


def read_file(path: Path) -> Stream:
    """The frames of a video file, from its start to its end; each has a `pts_ns`.

    Raises:
        SourceConfigError: no such file, not a video, or its container is broken.
    """
    _check_file(path)
    with _translated(str(path), "", SourceConfigError):
        container = av.open(str(path))
    with container, _translated(str(path), "", SourceConfigError):
        stream = _video_of(container)
        if stream is None:
            raise SourceConfigError(f"{path} has no video that can be decoded", "choose another")
        rate = stream.average_rate or stream.base_rate or 25
        frame_ns = round(NS_PER_S / rate)
        end_ns = 0
        for item in _decoded(container, stream):
            if isinstance(item, Picture):
                item = _placed(item, next_ns=end_ns, frame_ns=frame_ns)
                end_ns = (item.pts_ns or 0) + item.duration_ns
            yield item
        _warn_of_early_end(path, container, end_ns / NS_PER_S)


def _decoded(container: InputContainer, stream: VideoStream) -> Stream:
    cropper = Cropper()
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except av.FFmpegError as error:
            where = (
                "" if packet.pts is None else f" at {float(packet.pts * packet.time_base):.2f} s"
            )
            yield Damage(f"packet{where} cannot be decoded ({error.strerror})")
            continue
        for frame in frames:
            yield _picture(frame, cropper)


def _picture(frame: av.VideoFrame, cropper: Cropper) -> Picture:
    tick_ns = None if frame.time_base is None else frame.time_base * NS_PER_S
    return Picture(
        width_px=frame.width,
        height_px=frame.height,
        render=partial(cropper.render, frame),
        pts_ns=None if frame.pts is None or tick_ns is None else round(frame.pts * tick_ns),
        duration_ns=0 if tick_ns is None else round(frame.duration * tick_ns),
        keyframe=frame.key_frame,
        corrupt=frame.is_corrupt,
    )


def _placed(picture: Picture, *, next_ns: int, frame_ns: int) -> Picture:
    """`picture` with the position and duration that its file failed to give."""
    return replace(
        picture,
        pts_ns=next_ns if picture.pts_ns is None else picture.pts_ns,
        duration_ns=picture.duration_ns or frame_ns,
    )


def _video_of(container: InputContainer) -> VideoStream | None:
    """The first video stream that has a decoder."""
    return next((s for s in container.streams.video if _decoder_of(s)), None)


def _decoder_of(stream: VideoStream) -> object | None:
    return stream.codec_context  # None without a decoder, whatever PyAV's type stubs say


def _check_file(path: Path) -> None:
    if not path.exists():
        raise SourceConfigError(f"{path} does not exist", "give a video file or an image folder")
    if not path.is_file():
        raise SourceConfigError(f"{path} is not a file", "give a video file or an image folder")
    if path.suffix.lower() not in VIDEO_SUFFIXES:
        raise SourceConfigError(
            f"{path} is not named like a video ({', '.join(sorted(VIDEO_SUFFIXES))})",
            "for pictures give their folder",
        )
    if path.stat().st_size == 0:
        raise SourceConfigError(f"{path} is empty (0 bytes)", "was the copy or recording cut off?")


def _warn_of_early_end(path: Path, container: InputContainer, end_s: float) -> None:
    if container.duration is None:
        return
    promised_s = ((container.start_time or 0) + container.duration) / av.time_base
    if end_s < promised_s - EARLY_END_S:
        log.warning(
            "%s ends early: %.2f s of %.2f s could be decoded; the file is cut off or damaged",
            path,
            end_s,
            promised_s,
        )


@contextmanager
def _translated(shown: str, time_out: str, kind: type[SourceError] = SourceError) -> Iterator[None]:
    """Turn PyAV's errors into `kind`, which names `shown` and never the URL that was opened."""
    try:
        yield
    except av.ExitError:
        raise kind(shown, time_out) from None
    except av.InvalidDataError:
        raise kind(f"{shown} is not a video that can be read", "damaged, or no video") from None
    except av.FFmpegError as error:
        remedy = next((text for known, text in _REMEDIES if isinstance(error, known)), "")
        raise kind(f"{shown}: {redact(str(error.strerror))}", remedy) from None
