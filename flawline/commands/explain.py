"""`flawline explain`: why a picture has its score, in words and as one drawing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import numpy as np
import numpy.typing as npt
import typer

from contract.config import ModelSettings
from contract.errors import ConfigError, StorageError
from contract.image import list_images, read_image
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
    require,
    require_json_target,
)
from flawline.screen import Screen

if TYPE_CHECKING:
    from scorer.evaluation.explanation import Box, Explanation, Term
    from scorer.scoring.winclip import WinClip

RED, BLUE = "#d1343a", "#1f6fb4"
CONTEXT_PATCHES: Final = 2
MAPS_IN_ROW: Final = 3
GRID_COLUMNS: Final = 12
TITLES: Final = {
    "words": "words: what the prompts say of each place",
    "patch": "single patches against the references",
    "window-2": "windows of 2 x 2 patches",
    "window-3": "windows of 3 x 3 patches",
}


def explain(
    image: Annotated[Path, typer.Argument(help="The picture.")],
    out: Annotated[Path, typer.Option(help="File to draw: .png, .svg or .pdf.")] = Path(
        "explanation.png"
    ),
    object_name: Annotated[
        str, typer.Option("--object", help="What it shows, in a word or two.")
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
    as_json: AsJson = None,
) -> None:
    """Say and draw why a picture has its score: which window, scale, words and reference."""
    from flawline.commands.score import model_settings

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
    run_explain(ExplainOptions(image, object_name, reference, settings, out), as_json=as_json)


@dataclass(frozen=True)
class ExplainOptions:
    """What is explained, against what, and where it is drawn."""

    image: Path
    object_name: str
    reference: Path | None
    model: ModelSettings
    out: Path


def run_explain(options: ExplainOptions, *, as_json: Path | None = None) -> None:
    """Print why the picture has its score, and draw it.

    Raises:
        ConfigError: neither references nor words that count.
        ImageError, ModelError, StorageError: naming what would be right.
    """
    if options.out.suffix.lower() not in (".png", ".svg", ".pdf"):
        raise ConfigError(f"--out {options.out}", "a file that ends in .png, .svg or .pdf")
    require_json_target(as_json)
    require("matplotlib", extra="report")
    from scorer.evaluation.explanation import explain
    from scorer.scoring.winclip import load_model

    image = read_image(options.image)
    references = [] if options.reference is None else list_images(options.reference)
    pictures = [read_image(path) for path in references]
    model = load_model(options.model)
    found = explain(
        model,
        image,
        object_name=options.object_name if model.language_weight or not pictures else None,
        memory=model.enroll(pictures) if pictures else None,
    )
    names = [path.name for path in references]
    printed = give_json(document(options, found, names), as_json)
    if not printed:
        Screen().say("\n".join(tell(found, names)))
    nearest = None if found.nearest is None else pictures[found.nearest.reference]
    figure = draw(model, image, nearest, found, title=options.image.name)
    try:
        figure.savefig(options.out, dpi=110)
    except OSError as error:
        raise StorageError(f"cannot write {options.out}: {error.strerror}") from None
    if not printed:
        Screen().say(f"drawn in {options.out}")


def document(
    options: ExplainOptions, found: Explanation, references: list[str]
) -> dict[str, object]:
    """The explanation as JSON; rows and columns count patches from 0."""
    near = found.nearest
    return {
        "image": str(options.image),
        "anomaly_score": found.anomaly_score,
        "place": vars(found.place),
        "terms": [
            {
                "name": term.name,
                "value": term.value,
                "weight": term.weight,
                "contribution": term.contribution,
                "window": None if term.window is None else vars(term.window),
            }
            for term in found.terms
        ],
        "prompt": found.prompt,
        "nearest": None
        if near is None
        else {
            "reference": references[near.reference],
            "place": vars(near.box),
            "similarity": near.similarity,
        },
        "drawing": str(options.out),
    }


def tell(found: Explanation, references: list[str]) -> list[str]:
    """The explanation as lines of text; rows and columns count patches from 0."""
    place = found.place
    lines = [
        f"anomaly score {found.anomaly_score:.4f}, highest at row {place.row}, "
        f"column {place.column} of the patches"
    ]
    for term in found.terms:
        where = ""
        if term.window is not None and term.window.side > 1:
            where = f", most of all the window from row {term.window.row}, "
            where += f"column {term.window.column} on"
        lines.append(
            f"  {term.name:9} {term.value:.4f} x {term.weight:.3f} = {term.contribution:.4f}{where}"
        )
    if found.prompt is not None:
        lines.append(f"  of the anomalous prompts most like: {found.prompt!r}")
    if found.nearest is not None:
        near = found.nearest
        lines.append(
            f"  nearest patch of the references: {references[near.reference]}, row {near.box.row}, "
            f"column {near.box.column}, cosine similarity {near.similarity:.3f}"
        )
    return lines


def draw(
    model: WinClip,
    image: npt.NDArray[np.uint8],
    reference: npt.NDArray[np.uint8] | None,
    found: Explanation,
    *,
    title: str,
) -> Any:
    """A matplotlib figure: the place in the picture and in its nearest reference, and each map."""
    from matplotlib.figure import Figure

    crop = _input(model, image)
    main = next((term for term in found.terms if term.window is not None), None)
    window = found.place if main is None or main.window is None else main.window
    figure = Figure(figsize=(13.5, 7.4), layout="constrained")
    figure.suptitle(f"{title}: anomaly score {found.anomaly_score:.4f}", fontsize=15)
    grid = figure.add_gridspec(2, GRID_COLUMNS)
    axes = _row(figure, grid, 0, 4)
    _show(axes[0], crop, "what made the score", [(window, RED)], model)
    _show(axes[1], crop, "that place, enlarged", [(window, RED)], model, around=window)
    if reference is not None and found.nearest is not None:
        good, box = _input(model, reference), found.nearest.box
        _show(axes[2], good, "the nearest place in the references", [(box, BLUE)], model)
        name = f"enlarged: similarity {found.nearest.similarity:.3f}"
        _show(axes[3], good, name, [(box, BLUE)], model, around=box)
    else:
        for each in axes[2:]:
            each.axis("off")
        axes[2].text(0, 0.6, f"of the anomalous prompts most like:\n\n{found.prompt}", fontsize=11)
    maps = _row(figure, grid, 1, max(MAPS_IN_ROW, len(found.terms)))
    for each, term in zip(maps, found.terms, strict=False):
        shaded = _show_map(each, crop, term, found.place, model)
        figure.colorbar(shaded, ax=each, shrink=0.75)
    for spare in maps[len(found.terms) :]:
        spare.axis("off")
    figure.supxlabel(
        "Each map has a scale of its own: what counts is its number times its weight.", fontsize=10
    )
    return figure


def _row(figure: Any, grid: Any, row: int, count: int) -> list[Any]:
    """Axes of equal width side by side."""
    width = GRID_COLUMNS // count
    return [
        figure.add_subplot(grid[row, width * place : width * (place + 1)]) for place in range(count)
    ]


def _input(model: WinClip, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    from PIL import Image

    height, width = model.backbone.image_px
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC))


def _show(
    axes: Any,
    picture: npt.NDArray[np.uint8],
    title: str,
    boxes: list[tuple[Box, str]],
    model: WinClip,
    *,
    around: Box | None = None,
) -> None:
    """A picture with boxes; `around`: only a box and what is near it."""
    axes.imshow(picture)
    for box, colour in boxes:
        _frame(axes, box, colour, model)
    if around is not None:
        px, height = model.backbone.patch_px, picture.shape[0]
        near = CONTEXT_PATCHES * px
        left, upper = around.column * px - near, around.row * px - near
        side = around.side * px + 2 * near
        axes.set_xlim(max(0, left), min(picture.shape[1], left + side))
        axes.set_ylim(min(height, upper + side), max(0, upper))
    axes.set_title(title, fontsize=10)
    axes.set_xticks([])
    axes.set_yticks([])


def _show_map(
    axes: Any,
    picture: npt.NDArray[np.uint8],
    term: Term,
    place: Box,
    model: WinClip,
) -> Any:
    """A term's map over the grey picture, with the window that was most anomalous."""
    height, width = picture.shape[:2]
    axes.imshow(picture.mean(axis=2), cmap="gray")
    shaded = axes.imshow(
        term.anomaly_map.numpy(),
        cmap="inferno",
        alpha=0.65,
        vmin=0,
        vmax=max(float(term.anomaly_map.max()), 1e-6),
        extent=(0, width, height, 0),
        interpolation="bilinear",
    )
    _frame(axes, place if term.window is None else term.window, RED, model)
    axes.set_title(
        f"{TITLES.get(term.name, term.name)}\n"
        f"{term.value:.4f} x {term.weight:.3f} = {term.contribution:.4f}",
        fontsize=10,
    )
    axes.set_xticks([])
    axes.set_yticks([])
    return shaded


def _frame(axes: Any, box: Box, colour: str, model: WinClip) -> None:
    from matplotlib.patches import Rectangle

    px = model.backbone.patch_px
    corner, side = (box.column * px, box.row * px), box.side * px
    axes.add_patch(Rectangle(corner, side, side, fill=False, ec=colour, lw=2.2))
