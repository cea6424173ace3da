"""`flawline evaluate --ablate`: the ablations of the paper, on any pictures, with any weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.table import Table as Printed

from contract.errors import ConfigError
from flawline.options import give_json, require_json_target
from flawline.progress import loaded, progress
from flawline.reports.figures import HEADINGS, percent, plain, row_document
from flawline.reports.plan import EvaluationPlan, num_pictures
from flawline.screen import Screen

if TYPE_CHECKING:
    from scorer.evaluation.ablation import Table, Variant
    from scorer.evaluation.evaluation import Row
    from scorer.evaluation.gallery import Gallery
    from scorer.scoring.winclip import WinClip


class Ablated(NamedTuple):
    """A row of the table with so many references: what it gives in each category."""

    variant: Variant
    shots: int
    rows: tuple[Row, ...]


def run_ablation(name: str, options: EvaluationPlan) -> None:
    """Evaluate each row of table `name`, print it, write it as JSON if asked for.

    Raises:
        ConfigError: no such table or category, no references where the table needs some.
        ImageError, ModelError, StorageError: naming what would be right.
    """
    from scorer.evaluation.ablation import TABLES
    from scorer.evaluation.dataset import read_dataset
    from scorer.evaluation.evaluation import require_references
    from scorer.evaluation.gallery import Gallery

    if name not in TABLES:
        raise ConfigError(f"--ablate {name}", f"one of {', '.join(TABLES)}")
    if options.report is not None:
        raise ConfigError("--report with --ablate", "tables are printed, or written by --json")
    if options.model.association is not None or options.model.preset != "paper":
        raise ConfigError(
            "--ablate with --association or another preset", "the tables are of the paper's method"
        )
    table = TABLES[name]
    shots = table.shots(options.shots)
    if not shots:
        raise ConfigError(f"{name} without references", "--shots 1,2,4 or others above 0")
    categories = read_dataset(options.root, options.categories)
    for category in categories:
        require_references(category, shots)
    require_json_target(options.as_json)
    model = loaded(options.model)
    found: dict[tuple[str, int], list[Row]] = {}
    for category in categories:
        with progress(category.name, num_pictures(category, shots, options.seeds)) as step:
            gallery = Gallery(model, category, step)
            for variant in table.variants:
                for row in _judged(variant, model, gallery, shots, options.seeds):
                    found.setdefault((variant.label, row.shots), []).append(row)
    ablated = [
        Ablated(variant, count, tuple(found[variant.label, count]))
        for variant in table.variants
        for count in shots
    ]
    if not give_json(document(name, table, model, ablated), options.as_json):
        tell(name, table, ablated, Screen())


def _judged(
    variant: Variant, model: WinClip, gallery: Gallery, shots: Sequence[int], seeds: int
) -> list[Row]:
    from scorer.evaluation.evaluation import judge

    weight = variant.language_weight
    varied = model.variant(
        variant.preset, language_weight=model.language_weight if weight is None else weight
    )
    return judge(varied, gallery, shots=shots, seeds=seeds, multi_crop=variant.multi_crop)


def tell(name: str, table: Table, ablated: Sequence[Ablated], screen: Screen) -> None:
    """Print the table; on the whole of MVTec-AD the paper's values stand beside ours."""
    from scorer.evaluation.evaluation import mean_figures
    from scorer.evaluation.published import MVTEC

    beside = {row.category for row in ablated[0].rows} == MVTEC
    printed = Printed("", "references", *(HEADINGS[figure] for figure in table.figures))
    for each in ablated:
        mean = mean_figures(each.rows)
        values = [percent(getattr(mean, figure)) for figure in table.figures]
        theirs = each.variant.published.get(each.shots, ())
        if beside and theirs:
            pairs = zip(values, theirs, strict=True)
            values = [f"{ours} (paper {paper})" for ours, paper in pairs]
        printed.add_row(each.variant.label, str(each.shots), *values)
    screen.print(printed)
    screen.say(f"{name} of the paper, {table.title}. In %, mean over categories and seeds.")


def document(name: str, table: Table, model: WinClip, ablated: Sequence[Ablated]) -> dict[str, Any]:
    """The table as JSON; null where a figure is not defined."""
    from scorer.evaluation.evaluation import mean_figures

    return {
        "table": name,
        "title": table.title,
        "model": model.fingerprint.model,
        "weights_sha256": model.fingerprint.weights_sha256,
        "dtype": model.backbone.dtype,
        "language_weight": model.language_weight,
        "rows": [
            {
                "variant": each.variant.label,
                "shots": each.shots,
                "language_weight": each.variant.language_weight,
                "multi_crop": each.variant.multi_crop,
                "mean": plain(mean_figures(each.rows)),
                "categories": [row_document(row) for row in each.rows],
                "paper_on_mvtec_percent": dict(
                    zip(table.figures, each.variant.published.get(each.shots, ()), strict=False)
                ),
            }
            for each in ablated
        ],
    }
