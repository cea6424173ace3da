"""The record of one verdict: a row of the store, and the data of a webhook's CloudEvent."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from uuid import UUID

from contract.messages import Outcome, StreamKey, VerdictMessage

NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What became of one admitted frame. Field names are the columns of table `events`.

    Attributes:
        event_id: the same for every delivery and retry of this frame's verdict.
        arrived_ns: when the sinks got it.
        evidence: the picture's path below the evidence folder, if one came. The file may be
            gone by its age, or missing because the disk was full.
    """

    event_id: str
    station: str
    line: str
    camera: str
    epoch: int
    frame_id: int
    outcome: str
    reason: str | None
    anomaly_score: float | None
    fail_threshold: float | None
    review_threshold: float | None
    captured_ns: int
    decoded_ns: int
    received_ns: int
    scored_ns: int | None
    emitted_ns: int
    arrived_ns: int
    deadline_ns: int | None
    source_pts_ns: int | None
    memory_version: str | None
    model: str | None
    weights_sha256: str | None
    preset: str | None
    evidence: str | None
    p_value: float | None = None
    drift_evidence: float | None = None
    drift_alarm: str | None = None

    @classmethod
    def of(cls, verdict: VerdictMessage, *, arrived_ns: int, evidence: str | None) -> Event:
        """The record of `verdict`."""
        return cls(
            event_id=event_id(verdict.stream, verdict.frame_id, verdict.captured_ns),
            station=verdict.station,
            line=verdict.line,
            camera=verdict.camera,
            epoch=verdict.epoch,
            frame_id=verdict.frame_id,
            outcome=verdict.outcome.value,
            reason=verdict.reason,
            anomaly_score=verdict.anomaly_score,
            fail_threshold=verdict.fail_threshold,
            review_threshold=verdict.review_threshold,
            captured_ns=verdict.captured_ns,
            decoded_ns=verdict.decoded_ns,
            received_ns=verdict.received_ns,
            scored_ns=verdict.scored_ns,
            emitted_ns=verdict.emitted_ns,
            arrived_ns=arrived_ns,
            deadline_ns=verdict.deadline_ns,
            source_pts_ns=verdict.source_pts_ns,
            memory_version=verdict.memory_version,
            model=verdict.model,
            weights_sha256=verdict.weights_sha256,
            preset=verdict.preset,
            evidence=evidence,
            p_value=verdict.p_value,
            drift_evidence=verdict.drift_evidence,
            drift_alarm=verdict.drift_alarm,
        )

    @property
    def stream(self) -> StreamKey:
        return StreamKey(self.station, self.line, self.camera, self.epoch)

    @property
    def verdict(self) -> Outcome:
        return Outcome(self.outcome)


def event_id(stream: StreamKey, frame_id: int, captured_ns: int) -> str:
    """A UUIDv7 (RFC 9562) of one frame: capture time in ms, then a digest of its identity.

    The digest stands where the standard allows random bits, so a verdict that is delivered again
    after a crash keeps its id and a receiver can tell the repetition.
    """
    digest = hashlib.sha256(f"{stream} {frame_id}".encode()).digest()
    tail = int.from_bytes(digest[:10], "big")
    value = (captured_ns // NS_PER_MS & (1 << 48) - 1) << 80 | tail
    value = value & ~(0xF << 76) | 7 << 76
    value = value & ~(0b11 << 62) | 0b10 << 62
    return str(UUID(int=value))
