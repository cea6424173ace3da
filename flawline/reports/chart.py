"""The drawing of a report: frames and defect rate, and scores against their threshold, over time.

Of each outcome in each bin the lowest and the highest score are drawn, joined by a line: nothing
that stands out is averaged away.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, tzinfo
from io import StringIO
from typing import Any, Final, NamedTuple

from contract.clock import NS_PER_S
from contract.messages import Outcome
from flawline.reports.digest import Digest, Use
from flawline.reports.timeline import Bin, Timeline

COLOURS: Final = {
    Outcome.PASS: "#2a9d5c",
    Outcome.FAIL: "#d1343a",
    Outcome.REVIEW: "#d08a18",
    Outcome.INVALID: "#3f7fbf",
    Outcome.LATE: "#8450b8",
    Outcome.UNSCORED: "#7d8790",
}
MAX_BARS: Final = 96
# Read as well on white paper as on a dark screen.
INK: Final = "#7d8790"


class Shade(NamedTuple):
    """A stretch of time that is shaded in the drawing."""

    start_ns: int
    end_ns: int


def draw(digest: Digest, *, shades: Sequence[Shade] = (), shade_label: str = "") -> str:
    """SVG."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    style: dict[Any, Any] = {
        "svg.fonttype": "none",
        "path.simplify": False,
        "font.size": 9,
        "text.color": INK,
        "axes.edgecolor": INK,
        "axes.labelcolor": INK,
        "xtick.color": INK,
        "ytick.color": INK,
        "legend.framealpha": 0.0,
    }
    with mpl.rc_context(style):
        figure = Figure(figsize=(11, 6.4), layout="constrained", facecolor="none")
        above, below = figure.subplots(2, sharex=True, height_ratios=(2, 3))
        zone = _zone(digest.timeline)
        _draw_frames(above, digest.timeline.joined(MAX_BARS), zone)
        _draw_scores(below, digest, zone)
        for number, shade in enumerate(shades):
            label = shade_label if number == 0 else "_"
            ends = _moment(shade.start_ns, zone), _moment(shade.end_ns, zone)
            below.axvspan(*ends, color="#f0b27a", lw=0, alpha=0.35, label=label)
        below.set_xlabel(f"local time ({_moment(0, zone):%Z})")
        _label_times(below, zone)
        for axes in (above, below):
            axes.set_facecolor("none")
            axes.grid(alpha=0.3)
            if axes.get_legend_handles_labels()[0]:
                axes.legend(loc="lower left", bbox_to_anchor=(0, 1), fontsize=8, ncols=7)
        svg = StringIO()
        figure.savefig(svg, format="svg", metadata={"Date": None}, transparent=True)
    return svg.getvalue()[svg.getvalue().index("<svg") :]


def _draw_frames(axes: Any, timeline: Timeline, zone: tzinfo) -> None:
    """Frames per outcome, stacked, and the defect rate over them."""
    from matplotlib.dates import date2num

    numbers = sorted(timeline.bins)
    whole = range(numbers[0], numbers[-1] + 1) if numbers else range(0)
    empty = Bin()
    bins = [timeline.bins.get(number, empty) for number in whole]
    ends = [_moment(number * timeline.width_ns, zone) for number in [*whole, whole.stop]]
    edges = date2num(ends)  # type: ignore[no-untyped-call]
    bottom = [0] * len(bins)
    for outcome in Outcome:
        if any(each.frames[outcome] for each in bins):
            top = [low + each.frames[outcome] for low, each in zip(bottom, bins, strict=True)]
            axes.stairs(
                top,
                edges,
                baseline=bottom,
                fill=True,
                color=COLOURS[outcome],
                label=outcome.value,
                lw=0,
            )
            bottom = top
    axes.set_ylabel(f"frames in {_width(timeline.width_ns)}")
    axes.set_ylim(0, 1.05 * max(bottom, default=0) or 1)
    rates = axes.twinx()
    rates.set_ylabel("defect rate in %")
    rates.plot(
        [_middle(timeline, number, zone) for number in whole],
        [_percent(each.defect_rate) for each in bins],
        color=INK,
        lw=1,
        marker=".",
        ms=2.5,
    )
    highest = max((each.defect_rate or 0.0 for each in bins), default=0.0)
    rates.set_ylim(0, max(105 * highest, 1.0))


def _draw_scores(axes: Any, digest: Digest, zone: tzinfo) -> None:
    timeline = digest.timeline
    highest = max((use.judge.fail_threshold or 0.0 for use in digest.uses), default=0.0)
    for outcome in (Outcome.PASS, Outcome.LATE, Outcome.REVIEW, Outcome.FAIL):
        times: list[datetime] = []
        scores: list[float] = []
        for number, each in sorted(timeline.bins.items()):
            if outcome in each.scores:
                times += [_middle(timeline, number, zone)] * 3
                # NaN lifts the pen.
                scores += [*each.scores[outcome], math.nan]
        if times:
            colour = COLOURS[outcome]
            axes.plot(times, scores, color=colour, lw=1.6, alpha=0.7)
            axes.plot(times[1::3], scores[1::3], ".", ms=4.5, color=colour, label=outcome.value)
            highest = max(highest, *scores[1::3])
    for number, use in enumerate(digest.uses):
        _draw_threshold(axes, use, zone, labelled=number == 0)
    axes.set_ylabel("anomaly score")
    axes.set_ylim(0, 1.05 * highest or 1.0)


def _draw_threshold(axes: Any, use: Use, zone: tzinfo, *, labelled: bool) -> None:
    ends = _moment(use.first_ns, zone), _moment(max(use.last_ns, use.first_ns + NS_PER_S), zone)
    for threshold, outcome in (
        (use.judge.fail_threshold, Outcome.FAIL),
        (use.judge.review_threshold, Outcome.REVIEW),
    ):
        if threshold is not None:
            label = f"{outcome} from here on" if labelled else "_"
            axes.hlines(threshold, *ends, color=COLOURS[outcome], lw=1.2, ls="--", label=label)


def _label_times(axes: Any, zone: tzinfo) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(tz=zone, maxticks=9)  # type: ignore[no-untyped-call]
    formatter = ConciseDateFormatter(locator, tz=zone)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(formatter)


def _zone(timeline: Timeline) -> tzinfo:
    """The offset from UTC at the start: one for the whole axis, also when clocks change."""
    start_ns = min(timeline.bins, default=0) * timeline.width_ns
    zone = datetime.fromtimestamp(start_ns / NS_PER_S).astimezone().tzinfo
    assert zone is not None
    return zone


def _middle(timeline: Timeline, number: int, zone: tzinfo) -> datetime:
    return _moment(number * timeline.width_ns + timeline.width_ns // 2, zone)


def _moment(at_ns: int, zone: tzinfo) -> datetime:
    return datetime.fromtimestamp(at_ns / NS_PER_S, zone)


def _percent(share: float | None) -> float:
    return float("nan") if share is None else 100 * share


def _width(width_ns: int) -> str:
    """`15 s`, `4 min` or `2.3 h`."""
    seconds = width_ns / NS_PER_S
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"
