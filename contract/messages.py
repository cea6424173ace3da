"""The messages that cross process borders.

A new optional field is free: an older reader ignores it. Anything else raises `WIRE_VERSION`, and
`contract.upgrades` says how what older versions wrote is read. The encoded bytes of every version
stay in `tests/contract/golden/` and must decode for ever.
"""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

WIRE_VERSION = 2

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$", max_length=64)]
ReasonValue = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$", max_length=40)]
Nanoseconds = Annotated[int, Field(ge=0, lt=1 << 63)]
Count = Annotated[int, Field(ge=0, lt=1 << 63)]
PerReason = Annotated[dict[ReasonValue, Count], Field(max_length=16)]


class Outcome(StrEnum):
    """How an admitted frame ended. Only PASS is ever treated as good."""

    PASS = "PASS"  # noqa: S105
    FAIL = "FAIL"
    REVIEW = "REVIEW"
    INVALID = "INVALID"
    LATE = "LATE"
    UNSCORED = "UNSCORED"


SCORED = frozenset({Outcome.PASS, Outcome.FAIL, Outcome.REVIEW})


class StreamKey(NamedTuple):
    """One unbroken run of one camera: frame ids count up within it."""

    station: str
    line: str
    camera: str
    epoch: int

    def __str__(self) -> str:
        return f"{self.station}/{self.line}/{self.camera}@{self.epoch}"


class Tolerant(BaseModel):
    """Immutable, and tolerant of fields from a newer writer."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Message(Tolerant):
    """Base of all messages."""

    wire_version: Literal[2] = 2


class OfStream(Tolerant):
    """Belongs to one camera's stream."""

    station: Name
    line: Name
    camera: Name
    epoch: Count = Field(description="wall clock in ms at the start of this ingest process")

    @property
    def stream(self) -> StreamKey:
        return StreamKey(self.station, self.line, self.camera, self.epoch)


class StreamMessage(Message, OfStream):
    """A message about one camera's stream."""


class FrameMessage(StreamMessage):
    """Header of one admitted frame; the pixels (H x W x 3, uint8, RGB) follow as a second part."""

    type: Literal["frame"] = "frame"
    frame_id: Count = Field(description="counts up by one per admitted frame, from 0")
    captured_ns: Nanoseconds
    decoded_ns: Nanoseconds
    deadline_ns: Nanoseconds | None = Field(None, description="no verdict is of use after this")
    source_pts_ns: Nanoseconds | None = Field(None, description="position in the source stream")
    height_px: Annotated[int, Field(ge=1, le=16384)]
    width_px: Annotated[int, Field(ge=1, le=16384)]
    channels: Literal[3] = 3
    dtype: Literal["uint8"] = "uint8"
    nbytes: Count
    taint: ReasonValue | None = Field(None, description="why this frame cannot be trusted")

    @model_validator(mode="after")
    def _size_agrees(self) -> FrameMessage:
        expected = self.height_px * self.width_px * self.channels
        if self.nbytes != expected:
            raise ValueError(f"nbytes is {self.nbytes}, the shape needs {expected}")
        return self


class Times(Tolerant):
    """When what happened to a frame, by the time of the host that did it (`contract.clock`)."""

    captured_ns: Nanoseconds
    decoded_ns: Nanoseconds
    received_ns: Nanoseconds
    scored_ns: Nanoseconds | None = None
    emitted_ns: Nanoseconds
    deadline_ns: Nanoseconds | None = None
    source_pts_ns: Nanoseconds | None = Field(None, description="position in the source stream")
    step_ns: Nanoseconds | None = Field(
        None, description="what the model took for the batch that the frame was scored in"
    )


class Provenance(Tolerant):
    """What judged a frame."""

    memory_version: str | None = Field(None, max_length=80)
    model: str | None = Field(None, max_length=120)
    weights_sha256: str | None = Field(None, max_length=64)
    preset: str | None = Field(None, max_length=40)
    dtype: str | None = Field(None, max_length=16, description="compute type of the score")


class DriftTest(Tolerant):
    """What a test for drift of the line's scores said on this frame."""

    evidence: float = Field(
        ge=0, allow_inf_nan=False, description="that scores left their calibration, over the limit"
    )
    alarm: Literal["higher", "lower"] | None = Field(
        None, description="on the frame that raised the alarm: where scores run"
    )


class ShadowVerdict(Tolerant):
    """What the line's shadow memory would have said of a frame."""

    version: str = Field(max_length=80)
    score: float | None = Field(None, ge=0, le=1)
    outcome: Outcome


class CacheUse(Tolerant):
    """What of a frame's score came from the window cache."""

    reused_fraction: float = Field(ge=0, le=1, description="share of the frame's windows")
    score_error: float | None = Field(
        None, ge=0, description="what the cache had done to the score, on recomputed frames"
    )


class VerdictRecord(OfStream):
    """What became of one admitted frame.

    PASS, FAIL and REVIEW carry a finite score; INVALID and UNSCORED never carry one, so an error
    cannot be read as a low score. Everything that keeps verdicts (the store's columns, the events
    of webhooks) is derived from these fields: a new one is written here and nowhere else.
    """

    frame_id: Count
    outcome: Outcome
    reason: ReasonValue | None = Field(None, description="required unless PASS, FAIL or REVIEW")
    anomaly_score: float | None = Field(None, ge=0, le=1)
    fail_threshold: float | None = Field(None, ge=0, le=1)
    review_threshold: float | None = Field(None, ge=0, le=1)
    p_value: float | None = Field(
        None, gt=0, le=1, description="how likely a good frame scores as high, by calibration"
    )
    times: Times
    provenance: Provenance = Provenance()
    drift: DriftTest | None = None
    shadow: ShadowVerdict | None = None
    cache: CacheUse | None = None

    @model_validator(mode="after")
    def _error_is_never_a_score(self) -> Self:
        if self.anomaly_score is not None and not math.isfinite(self.anomaly_score):
            raise ValueError("anomaly_score must be finite")
        if self.outcome in SCORED and self.anomaly_score is None:
            raise ValueError(f"{self.outcome} needs an anomaly_score")
        if self.outcome in (Outcome.INVALID, Outcome.UNSCORED) and self.anomaly_score is not None:
            raise ValueError(f"{self.outcome} must not carry an anomaly_score")
        if self.outcome not in SCORED and self.reason is None:
            raise ValueError(f"{self.outcome} needs a reason")
        return self

    def record(self) -> VerdictRecord:
        """This alone, without what belongs to its way or its storing."""
        return VerdictRecord(**{name: getattr(self, name) for name in VerdictRecord.model_fields})


class VerdictMessage(Message, VerdictRecord):
    """A verdict on its way to the sinks."""

    type: Literal["verdict"] = "verdict"
    delivery_id: Count = Field(description="counts up per sender; repeated on each retry")
    picture: bool = Field(False, description="its evidence follows, once, on a channel of its own")


class EvidenceMessage(Message):
    """What a verdict can be understood by: float32 anomaly map and JPEG of the crop, as parts."""

    type: Literal["evidence"] = "evidence"
    verdict: VerdictRecord
    map_shape: tuple[Annotated[int, Field(ge=1, le=4096)], Annotated[int, Field(ge=1, le=4096)]]
    jpeg_nbytes: Count


class AckMessage(Message):
    """The sinks hold these verdicts durably; the scorer may forget them."""

    type: Literal["ack"] = "ack"
    delivery_ids: tuple[Count, ...] = Field(max_length=65536)


class DropMessage(StreamMessage):
    """Admitted frames that ingest gave up: `first_frame_id` to `last_frame_id`, both included."""

    type: Literal["drop"] = "drop"
    first_frame_id: Count
    last_frame_id: Count
    reason: ReasonValue

    @model_validator(mode="after")
    def _in_order(self) -> DropMessage:
        if self.last_frame_id < self.first_frame_id:
            raise ValueError("last_frame_id is before first_frame_id")
        return self


class CameraState(StrEnum):
    """What a camera's ingest process is doing."""

    STARTING = "starting"
    STREAMING = "streaming"
    STALLED = "stalled"
    OUTAGE = "outage"
    ENDED = "ended"


class CameraMessage(StreamMessage):
    """State and running totals of one camera, sent on every heartbeat.

    Totals only grow within an epoch, so a lost message is healed by the next one.
    """

    type: Literal["camera"] = "camera"
    sent_ns: Nanoseconds
    state: CameraState
    decoded: Count = Field(description="frames that came out of the decoder")
    admitted: Count = Field(description="frames that got a frame_id")
    sampled_out: Count = Field(0, description="decoded frames that `fps` left out")
    stale: Count = Field(0, description="decoded frames left out as a live source's old backlog")
    undecodable: Count = Field(0, description="packets or images that gave no frame")
    restarts: Count = 0
    newest_frame_ns: Nanoseconds | None = Field(None, description="captured_ns of the newest")
    live: bool = Field(True, description="false for files and folders, which have an end")
    process_restarts: PerReason | None = Field(
        None, description="how often the supervisor restarted this process: exited, hung"
    )

    @property
    def process(self) -> str:
        """The process that sent it, as its supervisor calls it."""
        return f"ingest {self.camera}"


class EndOfStreamMessage(StreamMessage):
    """No more frames will come in this epoch. `admitted` closes the book."""

    type: Literal["end_of_stream"] = "end_of_stream"
    sent_ns: Nanoseconds
    decoded: Count
    admitted: Count
    reason: ReasonValue = Field("finished", description="finished, stopped or failed")


class ProcessState(StrEnum):
    """Life of a process."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"


class ProcessMessage(Message):
    """Heartbeat of a process, sent from its main loop and from nowhere else."""

    type: Literal["process"] = "process"
    station: Name
    process: Name
    state: ProcessState
    sent_ns: Nanoseconds
    version: str = Field(max_length=40)
    pending: Count = Field(0, description="items in this process's bounded queues")
    wire_errors: Count = 0
    frames_scored: Count = 0
    pictures_dropped: Count = Field(
        0, description="evidence that found no room on its way, or could not be made"
    )
    connections_refused: PerReason | None = Field(
        None, description="connections to this process's ports that were cut off"
    )
    process_restarts: PerReason | None = Field(
        None, description="how often the supervisor restarted this process: exited, hung"
    )


StatusMessage = CameraMessage | DropMessage | EndOfStreamMessage | ProcessMessage
"""What comes over the status channel."""


class RequestMessage(Message):
    """A command for the scorer."""

    type: Literal["request"] = "request"
    command: Literal["status", "activate", "shadow", "promote", "rollback", "enroll"]
    line: Name | None = None
    memory_version: str | None = Field(None, max_length=80)
    requested_by: str | None = Field(None, max_length=80, description="who, for the history")
    count: Annotated[int, Field(ge=1, le=1000)] | None = Field(
        None, description="enroll: how many of the line's next frames become references"
    )
    camera: Name | None = None
    interval_s: Annotated[float, Field(ge=0, le=3600)] = Field(
        1.0, description="enroll: seconds between two references"
    )


class ShadowReport(Tolerant):
    """How a shadow memory judged the frames that the active one judged."""

    version: str = Field(max_length=80)
    frames: Count
    disagreements: dict[str, Count] = Field(description="`PASS->FAIL`: frames")


class ReplyMessage(Message):
    """The scorer's answer."""

    type: Literal["reply"] = "reply"
    ok: bool
    text: str = Field("", max_length=4096)
    enrolment: Literal["idle", "collecting", "teaching", "done", "failed"] | None = Field(
        None, description="how far the newest enrolment from a camera is"
    )
    memories: dict[str, str] = Field(
        default_factory=dict, description="active reference memory version of each line"
    )
    shadows: dict[str, ShadowReport] | None = Field(
        None, description="what the shadow memories would have said, per line that has one"
    )


AnyMessage = Annotated[
    FrameMessage
    | VerdictMessage
    | EvidenceMessage
    | AckMessage
    | DropMessage
    | CameraMessage
    | EndOfStreamMessage
    | ProcessMessage
    | RequestMessage
    | ReplyMessage,
    Field(discriminator="type"),
]
