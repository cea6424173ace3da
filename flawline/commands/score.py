"""`flawline score`: pictures from the command line, without a line or a camera."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from contract.config import ModelSettings
from contract.errors import EXIT_OK, EXIT_RECOVERABLE, ImageError
from contract.image import list_images, read_image
from flawline.files import writing
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
    require_json_target,
)
from flawline.progress import loaded, progress, stepping, working
from flawline.screen import Screen

if TYPE_CHECKING:
    from scorer.scoring.winclip import WinClip


def score(
    images: Annotated[list[Path], typer.Argument(help="Pictures to score.")],
    object_name: Annotated[
        str, typer.Option("--object", help="What they show, in a word or two.")
    ] = "object",
    reference: Annotated[
        Path | None, typer.Option(help="Folder with pictures of good parts (WinCLIP+).")
    ] = None,
    model: ModelName = "flawline-mini",
    weights: WeightsFile = None,
    pretrained: PretrainedTag = None,
    preset: PresetName = "paper",
    device: Device = "cpu",
    language_weight: LanguageWeight = None,
    association: AssociationModel = None,
    association_weights: AssociationWeights = None,
    heatmaps: Annotated[
        Path | None, typer.Option(help="Folder for a picture with heatmap per image.")
    ] = None,
    as_json: AsJson = None,
) -> None:
    """Score pictures by words alone, or against a few pictures of good parts.

    Without --reference the score says how anomalous the words find the picture (zero-shot). With
    it, a threshold that is a first guess from the references themselves gives a verdict.
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
    chosen = ScoreOptions(object_name, reference, settings, heatmaps)
    raise typer.Exit(score_images(images, chosen, as_json=as_json))


@dataclass(frozen=True)
class ScoreOptions:
    """How pictures are scored; `reference` None means by words alone."""

    object_name: str
    reference: Path | None
    model: ModelSettings
    heatmaps: Path | None


def score_images(paths: list[Path], options: ScoreOptions, *, as_json: Path | None) -> int:
    """Print a score for each picture; one that cannot be read does not stop the others.

    Raises:
        ImageError: a reference cannot be used.
        ModelError: the model cannot be loaded.
    """
    require_json_target(as_json)
    pictures = [path for given in paths for path in _expand(given)]
    if options.heatmaps is not None:
        _make_folder(options.heatmaps)
    err = Screen(stderr=True)
    model = loaded(options.model)
    with working("learning the references"):
        judge = _judge_of(model, options)
    results = []
    failed = 0
    with progress("scoring", len(pictures)) as step:
        for path in stepping(pictures, step):
            try:
                results.append({"image": str(path), **judge(path)})
            except ImageError as error:
                failed += 1
                err.complain("error", str(error))
    if not give_json(_document(model, options, results), as_json) and results:
        Screen().print(_table(results))
    return EXIT_RECOVERABLE if failed else EXIT_OK


def _expand(path: Path) -> list[Path]:
    return list_images(path) if path.is_dir() else [path]


def _judge_of(model: WinClip, options: ScoreOptions) -> Any:
    """A function from a picture's path to its result."""
    from scorer.references.provisional import leave_one_out_threshold
    from scorer.serving.verdicts import Thresholds, decide

    text = model.text_prototypes(options.object_name)
    memory = threshold = None
    if options.reference is not None:
        references = [read_image(path) for path in list_images(options.reference)]
        memory = model.enroll(references)
        threshold = leave_one_out_threshold(model, references, memory, text).fail_threshold

    def judge(path: Path) -> dict[str, object]:
        image = read_image(path)
        result = model.score([image], text=text, memory=memory)
        score = float(result.anomaly_score[0])
        if not math.isfinite(score):
            raise ImageError(f"{path} gets a score that is not a number", "verify the weights")
        verdict = None
        if threshold is not None:
            decision = decide(score, Thresholds(threshold), now_ns=0, deadline_ns=None)
            verdict = decision.outcome.value
        if options.heatmaps is not None:
            target = options.heatmaps / f"{path.parent.name}-{path.name}-heatmap.jpg"
            caption = [verdict or "", f"score {score:.4f}", path.name]
            anomaly_map = result.anomaly_map[0].cpu().numpy()
            _write_heatmap(target, image, anomaly_map, caption, threshold)
        return {"anomaly_score": score, "provisional_threshold": threshold, "verdict": verdict}

    return judge


def _make_folder(directory: Path) -> None:
    with writing(directory):
        directory.mkdir(parents=True, exist_ok=True)


def _write_heatmap(
    target: Path, image: Any, anomaly_map: Any, caption: list[str], threshold: float | None
) -> None:
    from sinks.evidence.heatmap import side_by_side

    picture = side_by_side(image, anomaly_map, caption=caption, fail_threshold=threshold)
    with writing(target):
        picture.save(target)


def _document(
    model: WinClip, options: ScoreOptions, results: list[dict[str, object]]
) -> dict[str, object]:
    return {
        "model": model.fingerprint.model,
        "weights_sha256": model.fingerprint.weights_sha256,
        "preset": model.fingerprint.preset,
        "object": options.object_name,
        "reference": None if options.reference is None else str(options.reference),
        "images": results,
    }


def _table(results: list[dict[str, Any]]) -> Table:
    caption = None
    if results[0]["provisional_threshold"] is not None:
        caption = "provisional: a first estimate from the references alone, without a promise"
    table = Table("image", "anomaly score", "verdict", caption=caption)
    for result in results:
        threshold = result["provisional_threshold"]
        verdict = (
            "zero-shot: no threshold"
            if threshold is None
            else f"{result['verdict']} (FAIL from {threshold:.4f} on: a first guess)"
        )
        table.add_row(result["image"], f"{result['anomaly_score']:.4f}", verdict)
    return table
