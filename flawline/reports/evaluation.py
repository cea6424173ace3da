"""The report of an evaluation: one HTML file with everything inside it."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from importlib.resources import files
from io import BytesIO, StringIO
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from jinja2 import Environment

from contract.config import ModelSettings
from contract.image import read_image
from contract.process import software_version
from flawline.reports.figures import HEADINGS, percent, shown
from scorer.evaluation.published import published

if TYPE_CHECKING:
    from scorer.evaluation.evaluation import Judged, Row
    from scorer.scoring.winclip import WinClip

PICTURES_OF_A_KIND: Final = 2
PICTURE_PX: Final = 300


class Shown(NamedTuple):
    """A picture in the report."""

    kind: str
    caption: str
    data: str


def render_report(model: WinClip, settings: ModelSettings, rows: Sequence[Row]) -> str:
    """HTML: the figures, how they grow with references, and pictures of right and wrong ones."""
    from scorer.evaluation.evaluation import mean_figures

    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(
        (files("flawline") / "templates" / "evaluation.html").read_text("utf-8")
    )
    shots = sorted({row.shots for row in rows})
    categories = list(dict.fromkeys(row.category for row in rows))
    means = {count: mean_figures(row for row in rows if row.shots == count) for count in shots}
    best = [row for row in rows if row.shots == shots[-1]]
    return template.render(
        version=software_version(),
        model=model.fingerprint.model,
        weights=model.fingerprint.weights_sha256,
        published_weights=settings.pretrained,
        preset=model.fingerprint.preset,
        dtype=model.backbone.dtype,
        language_weight=model.language_weight,
        headings=HEADINGS,
        shown=shown,
        percent=percent,
        rows=rows,
        means=means if len(categories) > 1 else {},
        published=published(set(categories)),
        plot=_plot(rows, categories, shots),
        num_seeds=max(row.num_seeds for row in rows),
        seconds=float(np.median([row.seconds for row in rows])),
        shots=shots,
        galleries=[(row.category, _pictures(row)) for row in best],
    )


def _plot(rows: Sequence[Row], categories: Sequence[str], shots: Sequence[int]) -> str:
    """SVG: image and pixel AUROC over the number of references, with their intervals."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.8), layout="constrained")
    for place, name in enumerate(("image_auroc", "pixel_auroc"), start=1):
        axes = figure.add_subplot(1, 2, place)
        for number, category in enumerate(categories):
            mine = [row for row in rows if row.category == category]
            middle = np.array([getattr(row.mean, name) for row in mine])
            ends = np.array([[getattr(end, name) for end in row.ci95] for row in mine])
            aside = 0.04 * (number - (len(categories) - 1) / 2)
            where = np.array([shots.index(row.shots) for row in mine]) + aside
            axes.errorbar(
                where,
                middle,
                yerr=np.maximum(0.0, [middle - ends[:, 0], ends[:, 1] - middle]),
                marker="o",
                ms=4,
                lw=1.2,
                capsize=2,
                label=category,
            )
        axes.set_xticks(range(len(shots)), [str(count) for count in shots])
        axes.set_xlim(-0.5, len(shots) - 0.5)
        axes.set_xlabel("references (0: by words alone)")
        axes.set_ylabel(HEADINGS[name])
        axes.axhline(0.5, color="#9aa4ad", lw=1, ls=":")
        axes.grid(alpha=0.25)
        axes.legend(fontsize=7, ncols=1 + len(categories) // 8)
    svg = StringIO()
    with mpl.rc_context({"svg.fonttype": "none"}):
        figure.savefig(svg, format="svg", metadata={"Date": None})
    return svg.getvalue()[svg.getvalue().index("<svg") :]


def _pictures(row: Row) -> list[Shown]:
    """Of one category: bad ones that score lowest and highest, good ones that score highest."""
    known = [each for each in row.judged if math.isfinite(each.anomaly_score)]
    by_score = sorted(known, key=lambda each: each.anomaly_score)
    bad = [each for each in by_score if each.sample.is_bad]
    good = [each for each in by_score if not each.sample.is_bad]
    threshold = _threshold(known)
    chosen = [
        ("defects that score highest", bad[::-1][:PICTURES_OF_A_KIND]),
        ("defects that score lowest: missed first", bad[:PICTURES_OF_A_KIND]),
        ("good parts that score highest: rejected falsely first", good[::-1][:PICTURES_OF_A_KIND]),
    ]
    return [
        Shown(kind, f"{each.sample.defect}/{each.sample.image.name}", _picture(each, threshold))
        for kind, group in chosen
        for each in group
    ]


def _threshold(judged: Sequence[Judged]) -> float | None:
    """The image score at which F1 is highest; None without bad pictures."""
    from scorer.evaluation.accuracy import best_threshold

    scores = np.array([each.anomaly_score for each in judged], dtype=np.float32)
    found = best_threshold(scores, np.array([each.sample.is_bad for each in judged], dtype=bool))
    return None if math.isnan(found) else found


def _picture(judged: Judged, threshold: float | None) -> str:
    """Base64 JPEG: the picture, with the true defect outlined, beside its heatmap."""
    from PIL import Image

    from sinks.evidence.heatmap import side_by_side

    crop = Image.fromarray(_outlined(judged)).resize((PICTURE_PX, PICTURE_PX))
    picture = side_by_side(
        crop,
        judged.anomaly_map,
        caption=[
            f"score {judged.anomaly_score:.4f}",
            "" if threshold is None else f"F1 is highest at {threshold:.4f}",
            f"{judged.sample.defect}/{judged.sample.image.name}",
        ],
        fail_threshold=threshold,
    )
    encoded = BytesIO()
    picture.save(encoded, "JPEG", quality=85)
    return base64.b64encode(encoded.getvalue()).decode()


def _outlined(judged: Judged) -> Any:
    """The picture with a red line around the true defect, if a mask tells where it is."""
    from scorer.evaluation.dataset import read_mask

    picture = np.array(read_image(judged.sample.image))
    if judged.sample.mask is None:
        return picture
    mask = read_mask(judged.sample)
    if mask.shape != picture.shape[:2]:
        return picture
    wide = max(1, min(mask.shape) // 120)
    grown = np.zeros_like(mask)
    for down in (-wide, 0, wide):
        for across in (-wide, 0, wide):
            grown |= np.roll(mask, (down, across), (0, 1))
    picture[grown & ~mask] = (230, 30, 40)
    return picture
