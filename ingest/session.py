"""One run of one camera: what its parts share."""

from __future__ import annotations

import difflib
import threading
from dataclasses import dataclass

from contract.clock import Clock
from contract.config import Camera, Config, Line
from contract.errors import ConfigError
from contract.messages import CameraState, StreamKey
from ingest.drops import Drops
from ingest.epochs import next_epoch
from ingest.picture import Shot
from ingest.slot import Slot
from ingest.source import Kind, kind_of

FAST_CAPACITY = 4


@dataclass
class Tally:
    """Running totals of one camera: written by the reader alone, read by the reporter.

    `decoded` = admitted (which the slot counts) + `sampled_out` + `stale`, once at rest.

    A frame that a stop overtook is decoded and nothing else.
    """

    state: CameraState = CameraState.STARTING
    decoded: int = 0
    sampled_out: int = 0
    stale: int = 0
    undecodable: int = 0
    restarts: int = 0
    newest_frame_ns: int | None = None


@dataclass(frozen=True)
class Session:
    """One epoch of one camera.

    Args:
        waits: whether the source waits for the scorer (files at full speed) rather than going on
            and dropping frames, as the world in front of a camera does.
        stopping: set when the reader is to end.
    """

    line: Line
    camera: Camera
    kind: Kind
    stream: StreamKey
    waits: bool
    slot: Slot[Shot]
    drops: Drops
    tally: Tally
    stopping: threading.Event
    clock: Clock


def begin(config: Config, camera_name: str, clock: Clock) -> Session:
    """A new session of the camera called `camera_name`.

    Raises:
        ConfigError: there is no such camera; names the nearest.
    """
    line, camera = _find(config, camera_name)
    kind = kind_of(camera.source)
    waits = camera.pace == "fast" and not kind.live
    drops = Drops()
    epoch = next_epoch(config.data_directory / "epochs", camera.name, clock)
    return Session(
        line=line,
        camera=camera,
        kind=kind,
        stream=StreamKey(config.station, line.name, camera.name, epoch),
        waits=waits,
        slot=Slot(FAST_CAPACITY) if waits else Slot(1, overwritten=drops.overwritten),
        drops=drops,
        tally=Tally(),
        stopping=threading.Event(),
        clock=clock,
    )


def _find(config: Config, name: str) -> tuple[Line, Camera]:
    cameras = {camera.name: (line, camera) for line, camera in config.cameras()}
    if name not in cameras:
        nearest = difflib.get_close_matches(name, cameras, n=1)
        hint = f"did you mean {nearest[0]!r}? " if nearest else ""
        raise ConfigError(
            f"no camera {name!r} in the configuration",
            f"{hint}the cameras are {', '.join(cameras)}",
        )
    return cameras[name]
