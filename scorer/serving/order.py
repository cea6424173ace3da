"""What an enrolment from a camera wants, and what it has taken so far. No clock, no thread."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import numpy as np

from contract.clock import NS_PER_S
from contract.codec import Frame
from contract.image import Pixels
from contract.messages import RequestMessage

REFERENCE_BYTES: Final = 1 << 30
WITNESSES: Final = 16
WITNESS_BYTES: Final = 256 << 20
WITNESS_INTERVAL_S: Final = 1.0


@dataclass
class Order:
    """An enrolment under way.

    Attributes:
        until_s: when it is given up for want of references.
        pictures: the references so far, and in `names` which frames they are.
        witnesses: frames that came after them, which the threshold is compared with.
        witnesses_until_s: when it goes on with those that have come.
    """

    request: RequestMessage
    until_s: float
    pictures: list[Pixels] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    witnesses: list[Pixels] = field(default_factory=list)
    witnesses_until_s: float | None = None
    newest_ns: int = 0

    @property
    def has_pictures(self) -> bool:
        return len(self.pictures) >= (self.request.count or 0)

    @property
    def has_witnesses(self) -> bool:
        held = sum(witness.nbytes for witness in self.witnesses)
        return len(self.witnesses) >= WITNESSES or held >= WITNESS_BYTES

    @property
    def interval_ns(self) -> int:
        """The least time from one frame that is taken to the next.

        Witnesses are spaced as references are, so that they show parts alike, but nobody waits
        for an hour.
        """
        wanted_s = self.request.interval_s
        seconds = min(wanted_s, WITNESS_INTERVAL_S) if self.has_pictures else wanted_s
        return int(seconds * NS_PER_S)

    def take(self, frame: Frame) -> None:
        """Keep a copy of `frame` as a reference, or as a witness once there are references."""
        header = frame.header
        self.newest_ns = header.captured_ns
        if self.has_pictures:
            self.witnesses.append(np.array(frame.pixels))
            return
        moment = datetime.fromtimestamp(header.captured_ns / NS_PER_S, UTC)
        self.pictures.append(np.array(frame.pixels))
        self.names.append(f"{header.camera} #{header.frame_id}, {moment:%H:%M:%S} UTC")
