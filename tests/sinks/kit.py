"""Messages, waiting and a running sinks process for the tests of this folder."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import yaml
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families

from contract.clock import Clock, SystemClock
from contract.codec import Evidence, decode, encode, encode_evidence
from contract.config import Config
from contract.messages import (
    SCORED,
    AckMessage,
    CameraMessage,
    CameraState,
    DropMessage,
    EndOfStreamMessage,
    EvidenceMessage,
    Message,
    Outcome,
    ProcessMessage,
    ProcessState,
    StreamKey,
    VerdictMessage,
)
from contract.sockets import Sockets
from contract.upgrades import upgraded
from sinks.arrival import Arrival, Arrivals
from sinks.clocks import Clocks
from sinks.metrics.metrics import Metrics
from sinks.metrics.roster import Cameras
from sinks.store.store import Store

STREAM = StreamKey("station", "belt", "top", 1_790_000_000_000)
PATIENCE_S = 15.0


def until(holds: Callable[[], object], *, within_s: float = PATIENCE_S) -> None:
    """Wait for a condition; fail when it does not come true in time."""
    deadline_s = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline_s, "the condition did not come true"
        time.sleep(0.005)


def verdict(
    frame_id: int, outcome: Outcome = Outcome.PASS, *, stream: StreamKey = STREAM, **fields: Any
) -> VerdictMessage:
    """A verdict of this moment."""
    now_ns = time.time_ns()
    values: dict[str, Any] = {
        **stream._asdict(),
        "type": "verdict",
        "wire_version": 1,
        "delivery_id": frame_id,
        "frame_id": frame_id,
        "outcome": outcome,
        "captured_ns": now_ns,
        "decoded_ns": now_ns,
        "received_ns": now_ns,
        "emitted_ns": now_ns,
    }
    if outcome in SCORED:
        values |= {"anomaly_score": 0.25, "fail_threshold": 0.5, "scored_ns": now_ns}
    else:
        values |= {"reason": "test"}
    return VerdictMessage.model_validate(upgraded(values | fields))


def evidence_of(header: VerdictMessage) -> Evidence:
    """An anomaly map and a picture of a verdict."""
    encoded = io.BytesIO()
    Image.new("RGB", (64, 48), (40, 120, 200)).save(encoded, "JPEG")
    anomaly_map = np.linspace(0, 1, 12 * 16, dtype=np.float32).reshape(12, 16)
    message = EvidenceMessage(
        verdict=header.record(), map_shape=(12, 16), jpeg_nbytes=len(encoded.getvalue())
    )
    return Evidence(message, anomaly_map, encoded.getvalue())


def arrival(header: VerdictMessage, *, arrivals: Arrivals | None = None) -> Arrival:
    """The arrival of a verdict at this moment."""
    return (arrivals or Arrivals(clocks())).take(b"scorer", header, time.time_ns())


def camera(admitted: int, *, stream: StreamKey = STREAM, **fields: Any) -> CameraMessage:
    """Totals of a camera that is streaming."""
    now_ns = time.time_ns()
    values = {
        "sent_ns": now_ns,
        "state": CameraState.STREAMING,
        "decoded": admitted,
        "newest_frame_ns": now_ns,
    }
    return CameraMessage(**stream._asdict(), admitted=admitted, **(values | fields))


def drop(first: int, last: int, *, stream: StreamKey = STREAM) -> DropMessage:
    return DropMessage(
        **stream._asdict(), first_frame_id=first, last_frame_id=last, reason="overwritten"
    )


def end(
    admitted: int, *, stream: StreamKey = STREAM, reason: str = "finished"
) -> EndOfStreamMessage:
    return EndOfStreamMessage(
        **stream._asdict(),
        sent_ns=time.time_ns(),
        decoded=admitted,
        admitted=admitted,
        reason=reason,
    )


def scorer_alive(**fields: Any) -> ProcessMessage:
    values = {"process": "scorer", "state": ProcessState.READY, "sent_ns": time.time_ns()} | fields
    return ProcessMessage(station="station", version="1", **values)


def config_for(directory: Path, *, line: dict[str, Any] | None = None, **sinks: Any) -> Config:
    """A station with one line `belt` and one camera `top`, its data in `directory`."""
    document = {
        "station": "station",
        "data_directory": str(directory),
        "sinks": {"metrics": {"port": 0}} | sinks,
        "lines": [{"name": "belt", "cameras": [{"name": "top", "source": "x.mp4"}]} | (line or {})],
    }
    return Config.model_validate(document)


def metrics() -> Metrics:
    return Metrics(clock=SystemClock(), version="test", roster=lambda: Cameras({STREAM[:3]}))


def value_of(source: Metrics, name: str, **labels: str) -> float:
    """A sample out of the registry; 0 if it was never touched."""
    return source.registry.get_sample_value(f"flawline_{name}", labels) or 0.0


def clocks(clock: Clock | None = None) -> Clocks:
    """Clocks of senders that nobody heard of yet."""
    return Clocks(clock or SystemClock(), watch=lambda process, ahead_s: None, configured=frozenset)


class Peers:
    """The other end of the sinks' sockets: a scorer with an outbox, and an ingest."""

    def __init__(self, config: Config, sockets: Sockets) -> None:
        self._verdicts = sockets.connect("verdicts")
        self._status = sockets.connect("status", role="ingest")
        self._evidence = sockets.connect("evidence")
        self.outbox: dict[int, VerdictMessage] = {}

    def send(self, *verdicts: VerdictMessage) -> None:
        """Send verdicts and hold them until they are acknowledged."""
        for header in verdicts:
            self.outbox[header.delivery_id] = header
            self._verdicts.send(encode(header))

    def show(self, *headers: VerdictMessage) -> None:
        """Send pictures of verdicts."""
        for header in headers:
            self._evidence.send_multipart(encode_evidence(evidence_of(header)))

    def show_parts(self, *parts: bytes) -> None:
        """Send raw parts as evidence."""
        self._evidence.send_multipart(parts)

    def send_parts(self, *parts: bytes) -> None:
        """Send raw parts as a verdict."""
        self._verdicts.send_multipart(parts)

    def resend(self) -> None:
        """Send again what is not acknowledged."""
        for held in self.outbox.values():
            self._verdicts.send(encode(held))

    def tell(self, *messages: Message) -> None:
        """Send on the status channel."""
        for message in messages:
            self._status.send(encode(message))

    def tell_raw(self, data: bytes) -> None:
        self._status.send(data)

    def hear(self) -> int:
        """Take the acknowledgements that came; how many verdicts are still held."""
        while self._verdicts.poll(0):
            ack = decode(self._verdicts.recv())
            assert isinstance(ack, AckMessage)
            for delivery_id in ack.delivery_ids:
                self.outbox.pop(delivery_id, None)
        return len(self.outbox)

    def await_acks(self) -> None:
        """Wait until everything is acknowledged; send again after a second, as a scorer does."""
        for _ in range(round(PATIENCE_S)):
            with contextlib.suppress(AssertionError):
                until(lambda: self.hear() == 0, within_s=1.0)
                return
            self.resend()
        raise AssertionError(f"{len(self.outbox)} verdicts were never acknowledged")


@contextmanager
def peers(config: Config) -> Iterator[Peers]:
    with Sockets(config) as sockets:
        yield Peers(config, sockets)


class Process:
    """A sinks process; its log is in `log`.

    Args:
        descriptors: how many it may have; None: as many as this process.
    """

    def __init__(self, config: Config, directory: Path, *, descriptors: int | None = None) -> None:
        path = directory / "config.yaml"
        path.write_text(yaml.safe_dump(config.model_dump(mode="json", exclude_none=True)))
        self.log = directory / "sinks.log"
        reading, writing = os.pipe()
        limited = [] if descriptors is None else ["prlimit", f"--nofile={descriptors}"]
        with self.log.open("ab") as log:
            self.popen = subprocess.Popen(
                [*limited, sys.executable, "-m", "sinks", str(path), "--ready-fd", str(writing)],
                stderr=log,
                pass_fds=[writing],
            )
        os.close(writing)
        with os.fdopen(reading) as ready:
            self.ready = ready.read() == "ready\n"

    def kill(self) -> None:
        """As a crash would: SIGKILL."""
        self.popen.kill()
        self.popen.wait(10)

    def stop(self) -> int:
        """As a supervisor would: SIGTERM; the exit code."""
        self.popen.send_signal(signal.SIGTERM)
        return self.popen.wait(30)

    @property
    def metrics_url(self) -> str:
        for line in self.log.read_text().splitlines():
            if "metrics on " in line:
                return line.rsplit("metrics on ", 1)[1]
        raise AssertionError("no metrics address in the log")

    def sample(self, name: str, **labels: str) -> float:
        """What a scrape says of a metric, over all labels but those given; 0: nothing."""
        families = text_string_to_metric_families(self.scrape())
        return sum(
            sample.value
            for family in families
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def scrape(self) -> str:
        """What Prometheus would get now."""
        return httpx.get(self.metrics_url, trust_env=False, verify=False).text


def refused(config: Config, directory: Path) -> tuple[int, str]:
    """Exit code and log of sinks that do not start."""
    process = Process(config, directory)
    assert not process.ready
    return process.popen.wait(10), process.log.read_text()


@contextmanager
def running(
    config: Config, directory: Path, *, descriptors: int | None = None
) -> Iterator[Process]:
    """A sinks process that is ready."""
    process = Process(config, directory, descriptors=descriptors)
    try:
        assert process.ready, process.log.read_text()
        yield process
    finally:
        if process.popen.poll() is None:
            process.kill()


def booked(config: Config) -> dict[Outcome, int]:
    """Frames per outcome of the one book, which is closed and agrees with its rows."""
    with existing(config) as store:
        (audit,) = store.audit()
    assert audit.agrees
    assert audit.book.closed
    return {outcome: count for outcome, count in audit.book.counts.items() if count}


@contextmanager
def existing(config: Config) -> Iterator[Store]:
    with Store.open_existing(config.store_url) as store:
        yield store
