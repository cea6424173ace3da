"""`flawline evaluate`: what a model finds in labelled pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from contract.errors import ConfigError
from flawline.files import require_folder, write
from flawline.options import (
    AsJson,
    AssociationModel,
    AssociationWeights,
    Device,
    LanguageWeight,
    ModelName,
    PresetName,
    PretrainedTag,
    WeightsFile,
    give_json,
    model_settings,
    require,
    require_json_target,
)
from flawline.progress import loaded, progress
from flawline.reports.ablation import run_ablation
from flawline.reports.figures import HEADINGS, percent, plain, row_document, shown
from flawline.reports.plan import EvaluationPlan, num_pictures
from flawline.screen import Screen

if TYPE_CHECKING:
    from scorer.evaluation.evaluation import Row
    from scorer.scoring.winclip import WinClip


def evaluate(
    root: Annotated[
        Path, typer.Argument(help="MVTec-AD, VisA, or any folder in MVTec-AD's layout.")
    ],
    shots: Annotated[
        str, typer.Option(help="Numbers of references; 0 is by words alone.")
    ] = "0,1,2,4",
    seeds: Annotated[int, typer.Option(help="Choices of references.", min=1, max=100)] = 5,
    category: Annotated[
        list[str] | None, typer.Option(help="Only this category; may be given several times.")
    ] = None,
    model: ModelName = "flawline-mini",
    weights: WeightsFile = None,
    pretrained: PretrainedTag = None,
    preset: PresetName = "paper",
    device: Device = "cpu",
    language_weight: LanguageWeight = None,
    association: AssociationModel = None,
    association_weights: AssociationWeights = None,
    as_json: AsJson = None,
    report: Annotated[Path | None, typer.Option(help="Write an HTML report here.")] = None,
    ablate: Annotated[
        str | None,
        typer.Option(help="Instead, a table of the paper: table3, table5, table6 or table8."),
    ] = None,
) -> None:
    """Evaluate a model on labelled pictures: the figures of the paper, with their uncertainty.

    ROOT holds <category>/train/good, test/good and test/<defect>; masks in ground_truth/<defect>
    are optional. On all of MVTec-AD or VisA the published figures stand beside ours.
    """
    settings = model_settings(
        name=model,
        weights=weights,
        pretrained=pretrained,
        preset=preset,
        device=device,
        language_weight=language_weight,
        association=association,
        association_weights=association_weights,
    )
    chosen = (root, tuple(category or ()), shots_of(shots), seeds, settings, as_json, report)
    if ablate is None:
        run_evaluate(EvaluationPlan(*chosen))
        return
    run_ablation(ablate, EvaluationPlan(*chosen))


def shots_of(text: str) -> tuple[int, ...]:
    """Numbers of references from `0,1,2,4`.

    Raises:
        ConfigError: something else.
    """
    try:
        shots = tuple(sorted({int(part) for part in text.split(",")}))
    except ValueError:
        shots = (-1,)
    if shots[0] < 0:
        raise ConfigError(f"--shots {text}", "numbers of references, such as 0,1,2,4,8")
    return shots


def run_evaluate(options: EvaluationPlan) -> None:
    """Evaluate, print the table, write what was asked for.

    Raises:
        ConfigError: no such category, or too few good pictures.
        ImageError, ModelError, StorageError: naming what would be right.
    """
    from scorer.evaluation.dataset import read_dataset
    from scorer.evaluation.evaluation import evaluate

    categories = read_dataset(options.root, options.categories)
    require_json_target(options.as_json)
    require_folder(options.report)
    if options.report is not None:
        for module in ("jinja2", "matplotlib"):
            require(module, extra="report")
    model = loaded(options.model)
    shots, seeds = options.shots, options.seeds
    rows: list[Row] = []
    for category in categories:
        with progress(category.name, num_pictures(category, shots, seeds)) as step:
            rows += evaluate(model, category, shots=shots, seeds=seeds, step=step)
    if not give_json(document(model, rows), options.as_json):
        tell(rows, Screen())
    if options.report is not None:
        from flawline.reports.evaluation import render_report

        write(options.report, render_report(model, options.model, rows))


def document(model: WinClip, rows: Sequence[Row]) -> dict[str, Any]:
    """The figures as JSON; null where one is not defined."""
    from scorer.evaluation.evaluation import mean_figures
    from scorer.evaluation.published import published

    shots = sorted({row.shots for row in rows})
    return {
        "model": model.fingerprint.model,
        "weights_sha256": model.fingerprint.weights_sha256,
        "preset": model.fingerprint.preset,
        "dtype": model.backbone.dtype,
        "language_weight": model.language_weight,
        "categories": [row_document(row) for row in rows],
        "mean": {
            str(count): plain(mean_figures(row for row in rows if row.shots == count))
            for count in shots
        },
        "published": [each._asdict() for each in published({row.category for row in rows})],
    }


def tell(rows: Sequence[Row], screen: Screen) -> None:
    """Print the table, and the published figures where there are any."""
    from scorer.evaluation.evaluation import mean_figures
    from scorer.evaluation.published import published

    table = Table("category", "references", *HEADINGS.values())
    for row in rows:
        table.add_row(row.category, str(row.shots), *(shown(row, name) for name in HEADINGS))
    if len({row.category for row in rows}) > 1:
        table.add_section()
        for count in sorted({row.shots for row in rows}):
            mean = mean_figures(row for row in rows if row.shots == count)
            table.add_row("mean", str(count), *(percent(value) for value in mean))
    screen.print(table)
    for each in published({row.category for row in rows}):
        screen.say(
            f"{each.source}, {each.shots} references: image AUROC {percent(each.image_auroc)}, "
            f"pixel AUROC {percent(each.pixel_auroc)}, PRO {percent(each.pixel_pro)}"
        )
    screen.say("In %, [95 % bootstrap interval over test pictures]; mean over the seeds.")
