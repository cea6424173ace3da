"""Running totals of one camera: written by the reader alone, read by the reporter."""

from __future__ import annotations

from dataclasses import dataclass

from contract.messages import CameraState


@dataclass
class Tally:
    """`decoded` = admitted (which the slot counts) + `sampled_out` + `stale`, once at rest.

    A frame that a stop overtook is decoded and nothing else.
    """

    state: CameraState = CameraState.STARTING
    decoded: int = 0
    sampled_out: int = 0
    stale: int = 0
    undecodable: int = 0
    restarts: int = 0
    newest_frame_ns: int | None = None
