"""Frames as a CSV file: one row each, written while they are read."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any, Final, TextIO

from contract.clock import local_text
from contract.messages import Outcome

if TYPE_CHECKING:
    from sinks.store.event import Event
    from sinks.store.rows import Drop

COLUMNS: Final = {
    "time": "capture in local time with its offset; of a frame without a verdict, when it was lost",
    "captured_ns": "capture in nanoseconds since 1970, UTC",
    "station": "name of the station",
    "line": "name of the line",
    "camera": "name of the camera",
    "epoch": "start of the camera's process in milliseconds since 1970, UTC",
    "frame_id": "counts up from 0 in each epoch of a camera",
    "outcome": "PASS, FAIL, REVIEW, INVALID, LATE or UNSCORED; only PASS is good",
    "reason": "why, if the outcome is not by score",
    "anomaly_score": "0 to 1",
    "fail_threshold": "FAIL from this score on",
    "review_threshold": "REVIEW from this score on, if set",
    "p_value": "how likely a good frame scores as high, by the calibration",
    "drift_alarm": "higher or lower, on the frame that raised a drift alarm",
    "capture_to_verdict_ms": "from capture to the arrival of the verdict",
    "memory_version": "reference memory",
    "model": "model",
    "preset": "preset of WinCLIP's details",
    "dtype": "compute type of the score",
    "weights_sha256": "digest of the weights",
    "evidence": "picture, below the evidence folder",
    "event_id": "the same as in webhooks",
}
"""What each column means, as in docs/reports.md."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class FramesCsv:
    """Writes to a text file that was opened with `newline=""`."""

    def __init__(self, target: TextIO) -> None:
        self._writer = csv.DictWriter(target, list(COLUMNS))
        self._writer.writeheader()

    def add(self, event: Event) -> None:
        """Write an event's row."""
        row = {name: value for name, value in event.row().items() if name in COLUMNS}
        row["time"] = local_text(event.times.captured_ns)
        row["capture_to_verdict_ms"] = (event.arrived_ns - event.times.captured_ns) // 1_000_000
        self._write(row)

    def drop(self, drop: Drop) -> None:
        """Write a row for every frame of a drop."""
        row = {name: getattr(drop, name) for name in COLUMNS if hasattr(drop, name)}
        row |= {"time": local_text(drop.noted_ns), "outcome": Outcome.UNSCORED.value}
        for frame_id in range(drop.first_frame_id, drop.last_frame_id + 1):
            self._write(row | {"frame_id": frame_id})

    def _write(self, row: dict[str, Any]) -> None:
        # A spreadsheet would run text that looks like a formula.
        self._writer.writerow(
            {
                name: f"'{value}" if isinstance(value, str) and value[:1] in _FORMULA else value
                for name, value in row.items()
            }
        )
