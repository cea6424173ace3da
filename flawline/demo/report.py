"""The report of a demo run: one HTML file with everything inside it."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Sequence
from importlib.resources import files
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from jinja2 import Environment

from contract.clock import NS_PER_S
from contract.errors import StorageError
from contract.messages import Outcome
from contract.process import software_version
from flawline.demo.summary import FalseRejects, Summary
from flawline.demo.truth import Finding, PartResult, Truth, place_in_clip

if TYPE_CHECKING:
    from sinks.store.event import Event

MAX_PICTURES = 36
MAX_ROWS = 2000
COLOURS: Final = {
    Outcome.PASS: "#2a9d5c",
    Outcome.FAIL: "#d1343a",
    Outcome.REVIEW: "#d08a18",
    Outcome.INVALID: "#777777",
    Outcome.LATE: "#8450b8",
    Outcome.UNSCORED: "#777777",
}


def write_report(
    path: Path,
    *,
    summary: Summary,
    events: Sequence[Event],
    parts: Sequence[PartResult],
    false_rejects: FalseRejects,
    truth: Truth,
    evidence_directory: Path,
) -> None:
    """Write the report to `path`.

    Raises:
        StorageError: it cannot be written.
    """
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(
        (files("flawline") / "templates" / "report.html").read_text("utf-8")
    )
    html = template.render(
        version=software_version(),
        summary=summary,
        outcomes=[(outcome, summary.outcomes[outcome], COLOURS[outcome]) for outcome in Outcome],
        findings=Counter(part.finding for part in parts),
        Finding=Finding,
        parts=parts,
        false_rejects=false_rejects,
        plot=plot_scores(events, truth),
        pictures=_pictures(events, truth, evidence_directory),
        events=[_row(event, truth) for event in events[-MAX_ROWS:]],
        num_events=len(events),
    )
    try:
        path.write_text(html, "utf-8")
    except OSError as error:
        raise StorageError(f"cannot write report {path}: {error.strerror}") from None


def plot_scores(events: Sequence[Event], truth: Truth) -> str:
    """SVG: anomaly score over time, the threshold, and when a defect was in view."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.6), layout="constrained")
    axes = figure.add_subplot()
    events = events[-MAX_ROWS:]
    start_ns = min((event.times.captured_ns for event in events), default=0)
    _shade_defects(axes, events, truth, start_ns)
    for outcome in Outcome:
        chosen = [e for e in events if e.outcome is outcome and e.anomaly_score is not None]
        if chosen:
            axes.scatter(
                [(event.times.captured_ns - start_ns) / NS_PER_S for event in chosen],
                [event.anomaly_score or 0.0 for event in chosen],
                s=14,
                color=COLOURS[outcome],
                label=outcome.value,
                zorder=3,
            )
    thresholds = [event.fail_threshold for event in events if event.fail_threshold is not None]
    if thresholds:
        axes.axhline(
            thresholds[-1], color="#d1343a", lw=1, ls="--", label=f"threshold {thresholds[-1]:.4f}"
        )
    axes.set_xlabel("time since the first frame in s")
    axes.set_ylabel("anomaly score")
    axes.grid(alpha=0.25)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="upper right", fontsize=8, ncols=4)
    svg = StringIO()
    with mpl.rc_context({"svg.fonttype": "none"}):
        figure.savefig(svg, format="svg", metadata={"Date": None})
    return svg.getvalue()[svg.getvalue().index("<svg") :]


def _shade_defects(axes: Any, events: Sequence[Event], truth: Truth, start_ns: int) -> None:
    """A band over each time that a defect was in view, joined from the frames that show it."""
    half_s = 0.5 / truth.fps
    label = "defect in view (truth)"
    for event in events:
        place = place_in_clip(event, truth)
        if place is not None and truth.shows_defect(place[1]):
            at_s = (event.times.captured_ns - start_ns) / NS_PER_S
            axes.axvspan(
                at_s - 5 * half_s, at_s + 5 * half_s, color="#f4c7a1", lw=0, alpha=0.5, label=label
            )
            label = "_"


def _pictures(
    events: Sequence[Event], truth: Truth, evidence_directory: Path
) -> list[dict[str, str]]:
    """The clearest picture of each rejected passage, then some of the others."""
    stored = [e for e in events if e.evidence and (evidence_directory / e.evidence).is_file()]
    stored.sort(key=lambda event: (event.outcome is Outcome.PASS, -(event.anomaly_score or 0)))
    chosen: list[Event] = []
    taken: set[tuple[int, int, bool]] = set()
    for event in stored:
        place = place_in_clip(event, truth) or (0, 0)
        passage = (place[0], int(place[1] / truth.fps), event.outcome is Outcome.PASS)
        if passage not in taken and len(chosen) < MAX_PICTURES:
            taken.add(passage)
            chosen.append(event)
    chosen.sort(key=lambda event: (event.outcome is Outcome.PASS, event.times.captured_ns))
    return [
        {
            "data": base64.b64encode(
                (evidence_directory / (e.evidence or "")).read_bytes()
            ).decode(),
            "caption": f"frame {e.frame_id}: {e.outcome}, score {e.anomaly_score or 0:.4f}; "
            + _defects_in_view(e, truth),
        }
        for e in chosen
    ]


def _defects_in_view(event: Event, truth: Truth) -> str:
    place = place_in_clip(event, truth)
    kinds = [
        part.defect
        for part in truth.parts
        if place is not None
        and part.defect is not None
        and part.defect_visible_first_frame is not None
        and part.defect_visible_last_frame is not None
        and part.defect_visible_first_frame <= place[1] <= part.defect_visible_last_frame
    ]
    return f"truth: {', '.join(kinds).replace('_', ' ')}" if kinds else "truth: no defect in view"


def _row(event: Event, truth: Truth) -> dict[str, Any]:
    return {
        "frame_id": event.frame_id,
        "outcome": event.outcome,
        "colour": COLOURS[event.outcome],
        "reason": event.reason or "",
        "score": "" if event.anomaly_score is None else f"{event.anomaly_score:.4f}",
        "latency_ms": f"{(event.arrived_ns - event.times.captured_ns) / 1e6:.0f}",
        "truth": _defects_in_view(event, truth).removeprefix("truth: "),
    }
