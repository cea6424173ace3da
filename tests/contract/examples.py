"""One message of each type with every field set: what the golden bytes were made from."""

from __future__ import annotations

from contract.messages import (
    AckMessage,
    CameraMessage,
    CameraState,
    DropMessage,
    EndOfStreamMessage,
    EvidenceMessage,
    FrameMessage,
    Message,
    Outcome,
    ProcessMessage,
    ProcessState,
    Provenance,
    ReplyMessage,
    RequestMessage,
    ShadowReport,
    StreamKey,
    VerdictMessage,
)
from contract.upgrades import upgraded

STREAM = StreamKey("hall-1", "bottles", "bottles-top", 1_790_000_000_000)
CAPTURED_NS = 1_790_000_001_000_000_000


def frame_message(**changes: object) -> FrameMessage:
    """A 2 x 3 pixel frame."""
    values: dict[str, object] = {
        **STREAM._asdict(),
        "frame_id": 7,
        "captured_ns": CAPTURED_NS,
        "decoded_ns": CAPTURED_NS + 1_000_000,
        "height_px": 2,
        "width_px": 3,
        "nbytes": 18,
    }
    return FrameMessage.model_validate(values | changes)


def verdict_message(**changes: object) -> VerdictMessage:
    """A PASS without attachments; times and the like by their own names, as in version 1."""
    values: dict[str, object] = {
        **STREAM._asdict(),
        "delivery_id": 12,
        "frame_id": 7,
        "outcome": "PASS",
        "anomaly_score": 0.25,
        "captured_ns": CAPTURED_NS,
        "decoded_ns": CAPTURED_NS + 1_000_000,
        "received_ns": CAPTURED_NS + 2_000_000,
        "emitted_ns": CAPTURED_NS + 200_000_000,
    }
    return VerdictMessage.model_validate(
        upgraded({"type": "verdict", "wire_version": 1, **values, **changes})
    )


EXAMPLES: dict[str, Message] = {
    "frame": frame_message(
        deadline_ns=CAPTURED_NS + 800_000_000, source_pts_ns=280_000_000, taint="corrupt_packet"
    ),
    "frame_without_options": frame_message(),
    "verdict": verdict_message(
        outcome="FAIL",
        anomaly_score=0.75,
        fail_threshold=0.5,
        review_threshold=0.25,
        scored_ns=CAPTURED_NS + 190_000_000,
        deadline_ns=CAPTURED_NS + 800_000_000,
        source_pts_ns=280_000_000,
        memory_version="20260921T133320Z-0123abcd",
        model="flawline-mini",
        weights_sha256="ab" * 32,
        preset="paper",
        picture=True,
    ),
    "evidence": EvidenceMessage(
        verdict=verdict_message(outcome="FAIL", anomaly_score=0.75, fail_threshold=0.5).record(),
        map_shape=(2, 3),
        jpeg_nbytes=4,
    ),
    "verdict_with_shadow": verdict_message(
        outcome="PASS",
        anomaly_score=0.25,
        fail_threshold=0.5,
        memory_version="20260921T133320Z-0123abcd",
        reused_fraction=0.75,
        cache_score_error=0.125,
        shadow_version="20260922T080000Z-89abcdef",
        shadow_score=0.5,
        shadow_outcome="FAIL",
    ),
    "verdict_with_drift": verdict_message(
        outcome="PASS",
        anomaly_score=0.125,
        fail_threshold=0.5,
        p_value=0.5,
        drift_evidence=1.25,
        drift_alarm="lower",
    ),
    "verdict_with_p_value": verdict_message(
        outcome="REVIEW", anomaly_score=0.25, fail_threshold=0.5, p_value=0.03125
    ),
    "verdict_with_step": verdict_message(
        outcome="PASS", anomaly_score=0.25, fail_threshold=0.5, step_ns=128_000_000
    ),
    "verdict_with_dtype": verdict_message(
        outcome="PASS", anomaly_score=0.25, fail_threshold=0.5
    ).model_copy(update={"provenance": Provenance(dtype="bfloat16")}),
    "verdict_unscored": verdict_message(
        outcome=Outcome.UNSCORED, anomaly_score=None, reason="no_reference"
    ),
    "ack": AckMessage(delivery_ids=(0, 12, (1 << 63) - 1)),
    "drop": DropMessage(
        **STREAM._asdict(), first_frame_id=8, last_frame_id=11, reason="overwritten"
    ),
    "camera": CameraMessage(
        **STREAM._asdict(),
        sent_ns=CAPTURED_NS,
        state=CameraState.STREAMING,
        decoded=100,
        admitted=20,
        sampled_out=78,
        stale=1,
        undecodable=1,
        restarts=2,
        newest_frame_ns=CAPTURED_NS,
        live=False,
    ),
    "end_of_stream": EndOfStreamMessage(
        **STREAM._asdict(), sent_ns=CAPTURED_NS, decoded=100, admitted=20, reason="stopped"
    ),
    "process": ProcessMessage(
        station="hall-1",
        process="scorer",
        state=ProcessState.READY,
        sent_ns=CAPTURED_NS,
        version="0.1.0",
        pending=3,
        wire_errors=1,
        frames_scored=17,
        pictures_dropped=2,
    ),
    "process_restarted": ProcessMessage(
        station="hall-1",
        process="sinks",
        state=ProcessState.READY,
        sent_ns=CAPTURED_NS,
        version="0.1.0",
        process_restarts={"exited": 2, "hung": 1},
    ),
    "process_crowded": ProcessMessage(
        station="hall-1",
        process="scorer",
        state=ProcessState.READY,
        sent_ns=CAPTURED_NS,
        version="0.2.0",
        connections_refused={"crowded": 7, "handshake": 2},
    ),
    "camera_restarted": CameraMessage(
        **STREAM._asdict(),
        sent_ns=CAPTURED_NS,
        state=CameraState.STREAMING,
        decoded=100,
        admitted=20,
        process_restarts={"exited": 0, "hung": 3},
    ),
    "request": RequestMessage(
        command="enroll",
        line="bottles",
        memory_version="20260921T133320Z-0123abcd",
        count=4,
        camera="bottles-top",
        interval_s=0.5,
    ),
    "request_to_activate": RequestMessage(
        command="activate",
        line="bottles",
        memory_version="20260921T133320Z-0123abcd",
        requested_by="engineer",
    ),
    "reply_enrolling": ReplyMessage(
        ok=True,
        text="line bottles: 2 of 4 frames",
        enrolment="collecting",
        memories={"bottles": "20261122T120000Z-0badcafe"},
    ),
    "reply_with_shadow": ReplyMessage(
        ok=True,
        text="nothing enrolled yet",
        memories={"bottles": "20260921T133320Z-0123abcd"},
        shadows={
            "bottles": ShadowReport(
                version="20260922T080000Z-89abcdef", frames=17, disagreements={"PASS->FAIL": 2}
            )
        },
    ),
    "reply": ReplyMessage(ok=True, text="line bottles: 0 of 4 frames", memories={"bottles": ""}),
}
