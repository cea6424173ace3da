"""Who was heard of when, worked out at each scrape so that a hung process cannot look alive."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from contract.channels import CHANNELS
from contract.clock import NS_PER_S, Clock
from contract.messages import CameraMessage, CameraState, ProcessMessage, StatusMessage
from contract.reasons import RefusalReason
from sinks.metrics.roster import Camera, Cameras

INGEST = "ingest"
_LABELS = ("station", "line", "camera")


class Liveness(Collector):
    """Cameras up or down, age of their newest frame, and age of each process's heartbeat.

    A camera that is silent since a reload removed it is gone, not down. One that is in no
    configuration of this host is not here at all: it would be a label that somebody sent.

    Args:
        roster: the cameras that there should be now.
    """

    def __init__(self, clock: Clock, roster: Callable[[], Cameras]) -> None:
        self._clock = clock
        self._roster = roster
        self._silent_after_s = CHANNELS["status"].silent_after_s or 0
        self._cameras: dict[Camera, tuple[float, CameraMessage]] = {}
        self._processes: dict[str, tuple[float, ProcessMessage]] = {}

    def observe(self, message: StatusMessage) -> None:
        """Take note of a heartbeat; other messages say nothing about life."""
        now_s = self._clock.monotonic_s()
        if isinstance(message, ProcessMessage):
            self._processes[message.process] = (now_s, message)
        elif isinstance(message, CameraMessage):
            heard = self._cameras.get(message.stream[:3])
            if heard is None or heard[1].epoch <= message.epoch:
                self._cameras[message.stream[:3]] = (now_s, message)

    def collect(self) -> Iterator[Metric]:
        up = GaugeMetricFamily("flawline_camera_up", "Whether frames are coming", labels=_LABELS)
        expected = GaugeMetricFamily(
            "flawline_camera_expected", "1 for each camera that there should be", labels=_LABELS
        )
        frame_age = GaugeMetricFamily(
            "flawline_camera_frame_age_seconds", "Age of the newest frame", labels=_LABELS
        )
        heartbeat_age = GaugeMetricFamily(
            "flawline_heartbeat_age_seconds",
            "Age of the last heartbeat; for ingest, of the camera that is silent for longest",
            labels=("stage",),
        )
        now_s = self._clock.monotonic_s()
        dropped = CounterMetricFamily(
            "flawline_pictures_dropped",
            "Pictures of verdicts that found no room on their way to the sinks",
            labels=("stage",),
        )
        broken = CounterMetricFamily(
            "flawline_process_wire_errors",
            "Messages to a process that break the wire contract",
            labels=("stage",),
        )
        refused = CounterMetricFamily(
            "flawline_connections_refused",
            "Connections to the ports of a process that were cut off, or showed no key",
            labels=("stage", "reason"),
        )
        configured, removed = self._roster()
        for camera in sorted(configured):
            expected.add_metric(camera, 1.0)
        ages = {}
        for process, (heard_s, beat) in self._processes.copy().items():
            ages[process] = now_s - heard_s
            dropped.add_metric([process], beat.pictures_dropped)
            broken.add_metric([process], beat.wire_errors)
            for reason in RefusalReason:
                if beat.connections_refused is not None:
                    refused.add_metric([process, reason], beat.connections_refused.get(reason, 0))
        for camera, (heard_s, message) in self._cameras.copy().items():
            age_s = now_s - heard_s
            streaming = message.state is CameraState.STREAMING and age_s <= self._silent_after_s
            if camera not in configured and not (camera in removed and streaming):
                continue
            up.add_metric(camera, float(streaming))
            if message.newest_frame_ns is not None:
                newest_age_ns = self._clock.wall_ns() - message.newest_frame_ns
                frame_age.add_metric(camera, max(0, newest_age_ns) / NS_PER_S)
            if message.state is not CameraState.ENDED:
                ages[INGEST] = max(ages.get(INGEST, 0.0), age_s)
        for stage, age_s in ages.items():
            heartbeat_age.add_metric([stage], age_s)
        yield from (up, expected, frame_age, heartbeat_age, dropped, broken, refused)
