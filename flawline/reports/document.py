"""The figures of a line's report as JSON, for programs."""

from __future__ import annotations

from typing import Any

from contract.clock import local_text
from contract.messages import Outcome
from contract.process import software_version
from flawline.reports.digest import Digest, Use
from flawline.reports.line import LineReport
from flawline.reports.timeline import Bin


def document(report: LineReport) -> dict[str, Any]:
    """JSON; times are UTC nanoseconds, and local where they are text."""
    digest = report.digest
    return {
        "flawline": software_version(),
        "station": report.station,
        "line": report.line,
        "since": local_text(report.period.since_ns),
        "until": local_text(report.period.until_ns),
        "since_ns": report.period.since_ns,
        "until_ns": report.period.until_ns,
        "frames": digest.num_frames,
        "outcomes": _outcomes(digest.outcomes),
        "defect_rate": digest.defect_rate,
        "reasons": [
            {"outcome": outcome.value, "reason": reason, "frames": frames}
            for (outcome, reason), frames in digest.reasons.most_common()
        ],
        "cameras": {name: _outcomes(counts) for name, counts in sorted(digest.cameras.items())},
        "latency_ms": {
            stage: {"p50": p50_ms, "p99": p99_ms} for stage, p50_ms, p99_ms in digest.latency_ms
        },
        "timeline": _timeline(digest),
        "uses": [_use(use) for use in digest.uses],
        "num_uses": digest.num_uses,
        "drift_alarms": [
            {
                "captured_ns": event.times.captured_ns,
                "camera": event.camera,
                "epoch": event.epoch,
                "frame_id": event.frame_id,
                "direction": (event.drift and event.drift.alarm),
            }
            for event in digest.alarms
        ],
        "num_drift_alarms": digest.num_alarms,
        "ledger": {
            "balanced": report.is_sound if report.audits else None,
            "books": [
                {
                    **audit.book.key._asdict(),
                    "decoded": audit.book.decoded,
                    "admitted": audit.book.admitted,
                    "outcomes": _outcomes(audit.book.counts),
                    "open": audit.book.open_frames,
                    "ended": audit.book.ended,
                    "rows_agree": audit.agrees,
                }
                for audit in report.audits
            ],
        },
    }


def _timeline(digest: Digest) -> dict[str, Any]:
    timeline = digest.timeline
    return {
        "width_ns": timeline.width_ns,
        "bins": [
            {"start_ns": number * timeline.width_ns, **_bin(each)}
            for number, each in sorted(timeline.bins.items())
        ],
    }


def _bin(each: Bin) -> dict[str, Any]:
    return {
        "outcomes": _outcomes(each.frames),
        "defect_rate": each.defect_rate,
        "scores": {outcome.value: list(ends) for outcome, ends in each.scores.items()},
    }


def _use(use: Use) -> dict[str, Any]:
    return {
        "camera": use.camera,
        "first_ns": use.first_ns,
        "last_ns": use.last_ns,
        "frames": use.num_frames,
        **use.judge._asdict(),
    }


def _outcomes(counts: dict[Outcome, int]) -> dict[str, int]:
    return {outcome.value: counts.get(outcome, 0) for outcome in Outcome}
