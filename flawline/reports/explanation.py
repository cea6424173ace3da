"""An explanation of a score, in words and as one drawing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from contract.image import Pixels

if TYPE_CHECKING:
    from scorer.evaluation.explanation import Box, Explanation, Term

RED, BLUE, TILE = "#d1343a", "#1f6fb4", "#e8b93a"
CONTEXT_PATCHES: Final = 2
MAPS_IN_ROW: Final = 3
GRID_COLUMNS: Final = 12
TITLES: Final = {
    "words": "words: what the prompts say of each place",
    "patch": "single patches against the references",
    "window-2": "windows of 2 x 2 patches",
    "window-3": "windows of 3 x 3 patches",
}


class Grid(NamedTuple):
    """How a crop is divided: its side, and that of a patch."""

    size_px: int
    patch_px: int


def tell(found: Explanation, references: Sequence[str]) -> list[str]:
    """The explanation as lines of text; rows and columns count patches from 0."""
    place = found.place
    seen = ""
    if found.tile is not None:
        seen = f", seen in the tile from row {found.tile.row}, column {found.tile.column} on"
    lines = [
        f"anomaly score {found.anomaly_score:.4f}, highest at row {place.row}, "
        f"column {place.column} of the patches{seen}"
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
    image: Pixels, reference: Pixels | None, found: Explanation, *, title: str, grid: Grid
) -> Any:
    """A matplotlib figure: the place in the picture and in its nearest reference, and each map.

    Args:
        image: the crop, at any resolution; so is `reference`.
        title: plain text.
        grid: of the crop.
    """
    from matplotlib.figure import Figure

    crop = _resized(image, grid.size_px)
    main = next((term for term in found.terms if term.window is not None), None)
    window = found.place if main is None or main.window is None else main.window
    figure = Figure(figsize=(13.5, 7.4), layout="constrained")
    text = title.replace("$", r"\$")
    figure.suptitle(f"{text}: anomaly score {found.anomaly_score:.4f}", fontsize=15)
    cells = figure.add_gridspec(2, GRID_COLUMNS)
    axes = _row(figure, cells, 0, 4)
    boxes = [(window, RED)] + ([] if found.tile is None else [(found.tile, TILE)])
    seen = "what made the score" + ("" if found.tile is None else "; yellow: the tile it is in")
    _show(axes[0], crop, seen, boxes, grid)
    _show(axes[1], crop, "that place, enlarged", [(window, RED)], grid, around=window)
    if reference is not None and found.nearest is not None:
        good, box = _resized(reference, grid.size_px), found.nearest.box
        _show(axes[2], good, "the nearest place in the references", [(box, BLUE)], grid)
        name = f"enlarged: similarity {found.nearest.similarity:.3f}"
        _show(axes[3], good, name, [(box, BLUE)], grid, around=box)
    else:
        for each in axes[2:]:
            each.axis("off")
        text = _instead(found).replace("$", r"\$")
        axes[2].text(0, 0.6, text, fontsize=11, wrap=True)
    maps = _row(figure, cells, 1, max(MAPS_IN_ROW, len(found.terms)))
    for each, term in zip(maps, found.terms, strict=False):
        shaded = _show_map(each, crop, term, found.place, grid)
        figure.colorbar(shaded, ax=each, shrink=0.75)
    for spare in maps[len(found.terms) :]:
        spare.axis("off")
    figure.supxlabel(
        "Each map has a scale of its own: what counts is its number times its weight.", fontsize=10
    )
    return figure


def _instead(found: Explanation) -> str:
    """What stands where the nearest reference would."""
    if found.nearest is not None:
        where = f"row {found.nearest.box.row}, column {found.nearest.box.column}"
        return f"nearest: {where} of a reference\nof which no picture is kept"
    if found.prompt is not None:
        return f"of the anomalous prompts most like:\n\n{found.prompt}"
    return "the references were thinned out:\nwhich one is nearest is not known"


def _row(figure: Any, grid: Any, row: int, count: int) -> list[Any]:
    """Axes of equal width side by side."""
    width = GRID_COLUMNS // count
    return [
        figure.add_subplot(grid[row, width * place : width * (place + 1)]) for place in range(count)
    ]


def _resized(image: Pixels, size_px: int) -> Pixels:
    from PIL import Image

    return np.asarray(Image.fromarray(image).resize((size_px, size_px), Image.Resampling.BICUBIC))


def _show(
    axes: Any,
    picture: Pixels,
    title: str,
    boxes: list[tuple[Box, str]],
    grid: Grid,
    *,
    around: Box | None = None,
) -> None:
    """A picture with boxes; `around`: only a box and what is near it."""
    axes.imshow(picture)
    for box, colour in boxes:
        _frame(axes, box, colour, grid)
    if around is not None:
        px, height = grid.patch_px, picture.shape[0]
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
    picture: Pixels,
    term: Term,
    place: Box,
    grid: Grid,
) -> Any:
    """A term's map over the grey picture, with the window that was most anomalous."""
    height, width = picture.shape[:2]
    axes.imshow(picture.mean(axis=2), cmap="gray")
    shaded = axes.imshow(
        term.anomaly_map.numpy(),
        cmap="inferno",
        alpha=0.65,
        vmin=0,
        vmax=max(float(term.anomaly_map.nan_to_num(0.0).max()), 1e-6),
        extent=(0, width, height, 0),
        interpolation="bilinear",
    )
    _frame(axes, place if term.window is None else term.window, RED, grid)
    axes.set_title(
        f"{TITLES.get(term.name, term.name)}\n"
        f"{term.value:.4f} x {term.weight:.3f} = {term.contribution:.4f}",
        fontsize=10,
    )
    axes.set_xticks([])
    axes.set_yticks([])
    return shaded


def _frame(axes: Any, box: Box, colour: str, grid: Grid) -> None:
    from matplotlib.patches import Rectangle

    px = grid.patch_px
    corner, side = (box.column * px, box.row * px), box.side * px
    axes.add_patch(Rectangle(corner, side, side, fill=False, ec=colour, lw=2.2))
