"""Everything the sinks export to Prometheus: names, labels and buckets in one place.

Counters of verdicts follow the ledger: a frame is counted when its outcome is stored, once, and
frames that were dropped or lost are counted as UNSCORED. Latencies and scores are observed on
arrival. Thread-safe.
"""

from __future__ import annotations

import errno
import logging
import threading
from collections import Counter as Tally
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager

import prometheus_client as prometheus
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from contract.clock import NS_PER_S, Clock
from contract.config_sinks import MetricsSettings
from contract.errors import AddressInUse, ConfigError
from contract.messages import CameraMessage, StatusMessage, StreamKey, VerdictMessage
from contract.reasons import DeliveryReason, Reason
from sinks.arrival import Arrival
from sinks.ledger.book import Book, Settled
from sinks.metrics.exporter import Exporter
from sinks.metrics.liveness import Liveness
from sinks.metrics.restarts import Restarts
from sinks.metrics.roster import Camera, Cameras
from sinks.metrics.totals import Totals

LATENCY_BUCKETS_S = (0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5)
SCORE_BUCKETS = tuple(step / 20 for step in range(1, 21))
ERROR_BUCKETS = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
SHARE_BUCKETS = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 1.0)
CAMERA = ("station", "line", "camera")
UNKNOWN_CAMERA = ("unknown", "unknown", "unknown")
REASON_LABELS = frozenset({*Reason, None})

log = logging.getLogger(__name__)


class Metrics:
    """The metrics of one sinks process, in a registry of their own.

    Args:
        roster: the cameras that there should be now.

    Attributes:
        wire_errors: messages that broke the wire contract.
    """

    def __init__(self, *, clock: Clock, version: str, roster: Callable[[], Cameras]) -> None:
        prometheus.disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self.wire_errors = 0
        self._clock = clock
        self._roster = roster
        self._totals = Totals()
        self._liveness = Liveness(clock, roster)
        self._restarts = Restarts()
        self._lock = threading.Lock()

        def counter(name: str, help_text: str, *labels: str) -> Counter:
            return Counter(f"flawline_{name}", help_text, labels, registry=self.registry)

        def gauge(name: str, help_text: str, *labels: str) -> Gauge:
            return Gauge(f"flawline_{name}", help_text, labels, registry=self.registry)

        def histogram(
            name: str, help_text: str, labels: Sequence[str], buckets: Sequence[float]
        ) -> Histogram:
            return Histogram(
                f"flawline_{name}", help_text, labels, buckets=buckets, registry=self.registry
            )

        self._verdicts = counter(
            "verdicts", "Frames by their outcome, as stored", *CAMERA, "verdict", "reason"
        )
        self._decoded = counter("decoded_frames", "Frames that were decoded", *CAMERA)
        self._admitted = counter("admitted_frames", "Frames that were admitted", *CAMERA)
        self._latency = histogram(
            "latency_seconds", "Time per stage of a frame", (*CAMERA, "stage"), LATENCY_BUCKETS_S
        )
        self._score = histogram("anomaly_score", "Anomaly scores", CAMERA, SCORE_BUCKETS)
        self._reused = histogram(
            "reused_windows_fraction",
            "Share of a frame's windows that came from the cache",
            CAMERA,
            SHARE_BUCKETS,
        )
        self._cache_error = histogram(
            "cache_score_error",
            "Difference that reused windows made to a score, on recomputed frames",
            CAMERA,
            ERROR_BUCKETS,
        )
        self._drift = gauge(
            "drift_evidence",
            "That a line's scores left their calibration, over the limit of alarm",
            "station",
            "line",
        )
        self._drift_versions: dict[tuple[str, ...], str | None] = {}
        self._drift_alarms = counter(
            "drift_alarms", "Alarms that scores left their calibration", *CAMERA[:2], "direction"
        )
        self._shadowed = counter(
            "shadow_frames",
            "Frames that a shadow memory judged too, by both outcomes",
            *CAMERA,
            "verdict",
            "shadow_verdict",
        )
        self._queue_items = gauge("sink_queue_items", "Verdicts waiting for a sink", "sink")
        self._dropped = counter("sink_dropped", "Verdicts a sink did not deliver", "sink", "reason")
        self._errors = counter("sink_errors", "Errors of a sink", "sink", "reason")
        self._wire_errors = counter("wire_errors", "Messages that break the wire contract")
        self._unknown = counter(
            "unknown_messages",
            "Messages about cameras or processes that are not configured: booked alone, or refused",
            "channel",
            "standing",
        )
        self._open_frames = gauge("ledger_open_frames", "Admitted frames without an outcome")
        self._pruned = counter("pruned_rows", "Events and drops that were deleted by age")
        self._contradictions = counter(
            "ledger_contradictions", "Frames that were given a second outcome, ignored", *CAMERA
        )
        self._told_otherwise = counter(
            "told_otherwise", "Frames of which the PLC was told what is not booked", *CAMERA
        )
        self._clock_offset = gauge(
            "clock_offset_seconds",
            "How far a process's clock is ahead of the sinks', less its quickest message's way",
            "process",
        )
        self._clock_step = gauge(
            "clock_step_seconds",
            "By how much the clock of the sinks' host was set since the station's time began",
        )
        gauge("build_info", "Version of the software", "version").labels(version).set(1)
        self.registry.register(self._liveness)
        self.registry.register(self._restarts)
        prometheus.ProcessCollector(registry=self.registry)

    @contextmanager
    def serve(self, settings: MetricsSettings) -> Iterator[Exporter]:
        """Export over HTTP.

        Raises:
            AddressInUse: something else listens there.
            ConfigError: the address is not one of this host.
        """
        where = f"{settings.host}:{settings.port}"
        try:
            server = Exporter(settings.host, settings.port, self.registry, self._clock)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise AddressInUse(
                    f"metrics cannot listen on {where}, something listens there",
                    "stop it or set sinks.metrics.port to a free one",
                ) from None
            raise ConfigError(
                f"metrics cannot listen on {where}: {error.strerror}",
                "set sinks.metrics.host and sinks.metrics.port",
            ) from None
        thread = threading.Thread(target=server.serve, name="metrics", daemon=True)
        thread.start()
        try:
            log.info("metrics on http://%s:%d/metrics", settings.host, server.port)
            yield server
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def carry_on(self, books: Sequence[Book]) -> None:
        """Do not count again what these books had before this process started."""
        known = self._roster().known
        with self._lock:
            for book in books:
                if book.key[:3] in known:
                    self._totals.decoded(book.key, book.decoded)
                    self._totals.admitted(book.key, book.admitted)

    def observe(self, message: StatusMessage) -> None:
        """Take note of a heartbeat and of running totals."""
        self._liveness.observe(message)
        self._restarts.observe(message)
        with self._lock:
            if isinstance(message, CameraMessage):
                camera = message.stream[:3]
                decoded = self._totals.decoded(message.stream, message.decoded)
                admitted = self._totals.admitted(message.stream, message.admitted)
                self._decoded.labels(*camera).inc(decoded)
                self._admitted.labels(*camera).inc(admitted)

    def arrived(self, arrival: Arrival) -> None:
        """Observe how long each stage took, and the score."""
        header, times = arrival.header, arrival.header.times
        camera = header.stream[:3]
        stages = {
            "decode": (times.captured_ns, times.decoded_ns),
            "queue": (times.decoded_ns, times.received_ns),
            "score": (times.received_ns, times.scored_ns),
            "model": (0, times.step_ns),
            "deliver": (times.emitted_ns, arrival.arrived_ns),
            "total": (times.captured_ns, arrival.arrived_ns),
        }
        for stage, (start_ns, end_ns) in stages.items():
            if end_ns is not None:
                seconds = max(0, end_ns - start_ns) / NS_PER_S
                self._latency.labels(*camera, stage).observe(seconds)
        if header.anomaly_score is not None:
            self._score.labels(*camera).observe(header.anomaly_score)
        if header.cache is not None:
            self._reused.labels(*camera).observe(header.cache.reused_fraction)
            if header.cache.score_error is not None:
                self._cache_error.labels(*camera).observe(header.cache.score_error)
        self._drifted(header)
        if header.shadow is not None:
            outcomes = (header.outcome.value, header.shadow.outcome.value)
            self._shadowed.labels(*camera, *outcomes).inc()

    def _drifted(self, header: VerdictMessage) -> None:
        """Show what a test for drift said, for as long as it is about the memory in use."""
        line, version = header.stream[:2], header.provenance.memory_version
        if header.drift is not None:
            self._drift.labels(*line).set(header.drift.evidence)
            self._drift_versions[line] = version
            if header.drift.alarm is not None:
                self._drift_alarms.labels(*line, header.drift.alarm).inc()
        elif (
            header.anomaly_score is not None and self._drift_versions.get(line, version) != version
        ):
            # What was found out about another memory says nothing about this one.
            self._drift.remove(*line)
            del self._drift_versions[line]

    def booked(
        self,
        tally: Tally[Settled],
        *,
        contradictions: Mapping[StreamKey, int],
        told_otherwise: Mapping[StreamKey, int],
    ) -> None:
        """Count outcomes that are in the store; of cameras that are not configured, together."""
        known = self._roster().known
        for settled, count in tally.items():
            camera = _label(settled.stream, known)
            reason = settled.reason if settled.reason in REASON_LABELS else Reason.UNKNOWN
            self._verdicts.labels(*camera, settled.outcome.value, reason or "").inc(count)
        for stream, count in contradictions.items():
            self._contradictions.labels(*_label(stream, known)).inc(count)
        for stream, count in told_otherwise.items():
            self._told_otherwise.labels(*_label(stream, known)).inc(count)

    def open_frames(self, count: int) -> None:
        self._open_frames.set(count)

    def watch_queue(self, sink: str, length: Callable[[], int]) -> None:
        self._queue_items.labels(sink).set_function(length)

    def watch_clock(self, process: str, ahead_s: Callable[[], float]) -> None:
        self._clock_offset.labels(process).set_function(ahead_s)

    def watch_clock_step(self, step_s: Callable[[], float]) -> None:
        self._clock_step.set_function(step_s)

    def dropped(self, sink: str, reason: DeliveryReason, count: int = 1) -> None:
        """Count verdicts that `sink` will not deliver."""
        self._dropped.labels(sink, reason).inc(count)

    def failed(self, sink: str, reason: DeliveryReason) -> None:
        """Count an error of `sink`."""
        self._errors.labels(sink, reason).inc()

    def pruned(self, count: int) -> None:
        """Count rows that were deleted by age."""
        self._pruned.inc(count)

    def stranger(self, channel: str, standing: str) -> None:
        """Count a message of whom nobody configured."""
        self._unknown.labels(channel, standing).inc()

    def wire_error(self) -> None:
        self.wire_errors += 1
        self._wire_errors.inc()


def _label(stream: StreamKey, known: AbstractSet[Camera]) -> Camera:
    return stream[:3] if stream[:3] in known else UNKNOWN_CAMERA
