"""The fields of an event, which are the columns of the store and the data of a webhook."""

from __future__ import annotations

from typing import Final

from sinks.store.event import PLACES
from sinks.store.schema import EVENTS
from tools.docs.markdown import code, sentence, table

TYPES: Final = {
    "VARCHAR": "text",
    "BIGINT": "whole number",
    "DOUBLE": "number",
    "BOOLEAN": "true or false",
}
# For readers of events, where a field says nothing of itself or says it to readers of code.
MEANINGS: Final = {
    "station": "the station",
    "line": "the line",
    "camera": "the camera",
    "frame_id": "counts up by one per admitted frame of this epoch, from 0",
    "outcome": "PASS, FAIL, REVIEW, INVALID, LATE or UNSCORED",
    "reason": "why, unless PASS, FAIL or REVIEW; see [Reasons](troubleshooting.md#reasons)",
    "anomaly_score": "0 to 1; higher is more unlike the good parts",
    "fail_threshold": "FAIL at or above it",
    "review_threshold": "REVIEW from here up to `fail_threshold`",
    "captured_ns": "when the picture was taken",
    "decoded_ns": "when it was decoded",
    "received_ns": "when the scorer got it",
    "scored_ns": "when it was scored",
    "emitted_ns": "when the verdict was sent",
    "deadline_ns": "until when the verdict is of use",
    "memory_version": "the reference memory that judged",
    "model": "the model that scored",
    "weights_sha256": "digest of its weights",
    "preset": "details of WinCLIP",
    "drift_evidence": "on tested frames: that scores left their calibration; 1 raises the alarm",
    "drift_alarm": "on the frame that raised the alarm: `higher` or `lower`, where scores run",
    "cache_reused_fraction": "share of the frame's windows that came from the cache",
    "shadow_version": "the shadow memory that judged along",
    "shadow_score": "its score",
    "shadow_outcome": "its outcome",
    "event_id": "the same for every delivery and retry of this frame's verdict",
    "arrived_ns": "when the sinks got the verdict",
    "evidence": "the picture's path below the evidence folder, if one came; the file may be gone "
    "by its age",
}


def fields() -> str:
    """A row per field."""
    rows = [
        (
            code(name),
            TYPES[str(EVENTS.c[name].type).split("(")[0]],
            "may be empty" if EVENTS.c[name].nullable else "always",
            sentence(MEANINGS.get(name) or place.info.description or ""),
        )
        for name, place in PLACES.items()
    ]
    return table(("field", "type", "there", "meaning"), rows)
