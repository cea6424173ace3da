"""Who of those that messages name is let in: names come from the configuration, not the wire.

A message may name any station, line, camera, run and process. What is kept per name, the labels of
the metrics above all, would grow with whatever somebody sends.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Final

from contract.clock import Clock
from contract.messages import ProcessMessage, StatusMessage, StreamKey
from contract.process import Every
from sinks.metrics.metrics import Metrics
from sinks.metrics.roster import Camera, Cameras

MAX_STRANGERS: Final = 16
MAX_RUNS: Final = 32
RUNS_WITHIN_S: Final = 60.0
PROCESSES: Final = frozenset({"scorer"})
"""Who sends heartbeats of a process; those of cameras are messages about their stream."""

log = logging.getLogger(__name__)


class Standing(StrEnum):
    """What a message is good for.

    KNOWN: the camera is configured, or was until a reload: all sinks. BOOKED: it is not, its frames
    get their outcomes in the book, and nothing else. REFUSED: nothing.
    """

    KNOWN = "known"
    BOOKED = "booked"
    REFUSED = "refused"


class Admission:
    """Decides for each message; what is not of a known sender is counted and logged.

    The book takes the cameras that have an open one already and a few more that are not configured:
    an older configuration on this host must not leave frames without an outcome.

    Args:
        station: whose processes are known.
        roster: the cameras that there should be now.
        booked: cameras with an open book.
    """

    def __init__(
        self,
        station: str,
        roster: Callable[[], Cameras],
        booked: Iterable[Camera],
        *,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._station = station
        self._roster = roster
        self._clock = clock
        self._metrics = metrics
        self._known = roster().known
        self._strangers = set(booked) - self._known
        self._max_strangers = len(self._strangers) + MAX_STRANGERS
        self._runs: dict[Camera, OrderedDict[int, float]] = {}
        self._look = Every(1.0, clock)
        self._complain = Every(60.0, clock)

    def of_status(self, message: StatusMessage) -> Standing:
        """What a message on the status channel is good for."""
        if not isinstance(message, ProcessMessage):
            return self.of_stream(message.stream, "status")
        if message.station == self._station and message.process in PROCESSES:
            return Standing.KNOWN
        who = f"process {message.process} of station {message.station}"
        return self._told("status", Standing.REFUSED, who)

    def of_stream(self, stream: StreamKey, channel: str) -> Standing:
        """What a message about `stream` is good for."""
        camera = stream[:3]
        known = self._is_known(camera)
        if not known and camera not in self._strangers:
            if len(self._strangers) >= self._max_strangers:
                return self._told(channel, Standing.REFUSED, f"camera {stream}, not configured")
            self._strangers.add(camera)
        if not self._is_run(camera, stream.epoch):
            return self._told(channel, Standing.REFUSED, f"camera {stream}, one run of too many")
        if known:
            return Standing.KNOWN
        return self._told(channel, Standing.BOOKED, f"camera {stream}, not configured")

    def _is_known(self, camera: Camera) -> bool:
        """Whether it is configured; the file is looked at for those alone that were not."""
        if camera not in self._known and self._look.due():
            self._known = self._roster().known
        return camera in self._known

    def _is_run(self, camera: Camera, epoch: int) -> bool:
        """Whether a camera may have this run: each has a book, and nothing starts so often.

        One that is silent makes room for a new one, never one that goes on.
        """
        runs, now_s = self._runs.setdefault(camera, OrderedDict()), self._clock.monotonic_s()
        if epoch not in runs and len(runs) >= MAX_RUNS:
            silent, heard_s = next(iter(runs.items()))
            if now_s - heard_s < RUNS_WITHIN_S:
                return False
            del runs[silent]
        runs[epoch] = now_s
        runs.move_to_end(epoch)
        return True

    def _told(self, channel: str, standing: Standing, who: str) -> Standing:
        self._metrics.stranger(channel, standing)
        if self._complain.due():
            log.warning(
                "%s: message of %s: %s; all processes need the same configuration, see "
                "flawline_unknown_messages_total",
                channel,
                who,
                "booked, told to nobody" if standing is Standing.BOOKED else "refused",
            )
        return standing
