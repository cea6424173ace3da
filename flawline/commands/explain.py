"""`flawline explain`: why a picture, or a stored verdict, has its score."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from contract.config import Config, ModelSettings
from contract.config_file import load_config
from contract.errors import ConfigError
from contract.image import list_images, read_image
from contract.messages import Outcome
from flawline.commands.enroll import line_of, read_crop
from flawline.files import require_folder, writing
from flawline.options import (
    DEFAULT_CONFIG,
    AsJson,
    AssociationModel,
    AssociationWeights,
    ConfigPath,
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
from flawline.progress import loaded, working
from flawline.screen import Screen

if TYPE_CHECKING:
    from flawline.reports.subject import Subject
    from scorer.evaluation.explanation import Explanation
    from sinks.store.event import Event


def explain(
    image: Annotated[
        Path | None, typer.Argument(help="The picture; none: a stored verdict's.")
    ] = None,
    out: Annotated[Path, typer.Option(help="File to draw: .png, .svg or .pdf.")] = Path(
        "explanation.png"
    ),
    event: Annotated[
        str | None,
        typer.Option(help="Id of a stored verdict, as webhooks and the store name it."),
    ] = None,
    line: Annotated[
        str | None,
        typer.Option(
            "--line",
            "-l",
            help="A line, with its words, mask, tiles and reference memory; without a picture: its "
            "newest FAIL.",
        ),
    ] = None,
    memory: Annotated[
        str | None,
        typer.Option(help="With PICTURE and --line: version of the memory, not the active one."),
    ] = None,
    whole_picture: Annotated[
        bool,
        typer.Option(
            "--whole-picture",
            help="With PICTURE and --line: it shows all that the camera sees; cut the region out.",
        ),
    ] = False,
    config: ConfigPath = DEFAULT_CONFIG,
    object_name: Annotated[
        str, typer.Option("--object", help="Without a line: what it shows, in a word or two.")
    ] = "object",
    reference: Annotated[
        Path | None,
        typer.Option(help="Without a line: folder with pictures of good parts (WinCLIP+)."),
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
    """Say and draw why a picture has its score: which window, scale, words and reference.

    Of a picture: `explain PICTURE --reference DIR`, or as a line sees it: `explain PICTURE -l
    LINE`. Of what a line has judged: `explain --event ID`, or its newest FAIL: `explain -l LINE`.
    """

    require_json_target(as_json)
    _require_one_subject(image, event, line)
    if (memory is not None or whole_picture) and (image is None or line is None):
        raise typer.BadParameter("--memory and --whole-picture go with a picture and --line")
    if out.suffix.lower() not in (".png", ".svg", ".pdf"):
        raise ConfigError(f"--out {out}", "a file that ends in .png, .svg or .pdf")
    require("matplotlib", extra="report")
    require_folder(out)
    if image is None:
        subject = explain_event(load_config(config), event_id=event, line=line)
    elif line is not None:
        subject = explain_crop(
            load_config(config), image, line=line, version=memory, whole_picture=whole_picture
        )
    else:
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
        subject = explain_picture(
            image, settings=settings, object_name=object_name, reference=reference
        )
    tell_and_draw(subject, out, as_json=as_json)


def _require_one_subject(image: Path | None, event: str | None, line: str | None) -> None:
    if image is not None and event is not None:
        raise typer.BadParameter("give a picture or --event ID, not both")
    if image is None and event is None and line is None:
        raise typer.BadParameter("give a picture, --event ID or --line LINE")


def explain_picture(
    path: Path, *, settings: ModelSettings, object_name: str, reference: Path | None
) -> Subject:
    """A picture against a folder of others, or by words alone.

    Raises:
        ImageError, ModelError: naming what would be right.
    """
    from flawline.reports.subject import Subject

    image = read_image(path)
    references = [] if reference is None else list_images(reference)
    pictures = [read_image(each) for each in references]
    model = loaded(settings)
    return Subject(
        model,
        image,
        title=path.name,
        object_name=object_name if model.language_weight or not pictures else None,
        memory=model.enroll(pictures) if pictures else None,
        reference_names=[each.name for each in references],
        references=dict(enumerate(pictures)),
    )


def explain_crop(
    config: Config, path: Path, *, line: str, version: str | None, whole_picture: bool
) -> Subject:
    """A picture as a line sees it.

    Raises:
        ConfigError: no such line, or it has no memory.
        ImageError, MemoryMismatch, ModelError, StorageError: naming what would be right.
    """
    from flawline.reports.subject import of_line
    from scorer.references.calibration import active_version
    from scorer.references.shelf import Shelf

    chosen, shelf = line_of(config, line), Shelf(config.memory_directory)
    crop = read_crop(path, chosen, whole_picture=whole_picture)
    if version is None and (shelf.active(line) or chosen.zero_shot_threshold is None):
        version = active_version(shelf, chosen)
    model = loaded(config.scorer.model)
    return of_line(
        model, chosen, shelf, version, crop, title=path.name, region_counts=whole_picture
    )


def explain_event(config: Config, *, event_id: str | None, line: str | None) -> Subject:
    """A stored verdict, or the newest FAIL of `line`.

    Raises:
        ConfigError: no such line or verdict, or one without a score or a picture.
        ImageError, MemoryMismatch, ModelError, StorageError: naming what would be right.
    """
    require("sqlalchemy", extra="sinks")
    from flawline.reports.subject import of_line, stored_crop
    from scorer.references.shelf import Shelf

    if line is not None:
        line_of(config, line)
    event = _find(config, event_id=event_id, line=line)
    chosen = line_of(config, event.line)
    crop = stored_crop(config, event)
    return of_line(
        loaded(config.scorer.model),
        chosen,
        Shelf(config.memory_directory),
        event.provenance.memory_version,
        crop,
        title=f"{event.line}/{event.camera} #{event.frame_id} {event.outcome}",
        event=event,
    )


def _find(config: Config, *, event_id: str | None, line: str | None) -> Event:
    from sinks.store.store import Store

    with Store.open_existing(config.store_url) as store:
        if event_id is not None:
            event = store.event(event_id)
            where = f"no event {event_id} in the store"
        else:
            event = store.newest(line=line or "", outcome=Outcome.FAIL)
            where = f"line {line} has no FAIL in the store"
    if event is None or line not in (None, event.line):
        raise ConfigError(
            where if event is None else f"event {event_id} is of line {event.line}",
            "ids are those of the webhooks' events and of column event_id of the store",
        )
    return event


def tell_and_draw(subject: Subject, out: Path, *, as_json: Path | None = None) -> None:
    """Print why the picture has its score, and draw it.

    Raises:
        StorageError: the file cannot be written.
    """
    from flawline.reports.explanation import Grid, draw, tell
    from scorer.evaluation.explanation import explain

    tiling = subject.tiling or subject.model.backbone.whole
    with working("looking"):
        found = explain(
            subject.model,
            subject.image,
            object_name=subject.object_name,
            memory=subject.memory,
            tiling=tiling,
            normal_states=subject.normal_states,
            anomalous_states=subject.anomalous_states,
        )
    remarks = subject.remarks(found.anomaly_score)
    printed = give_json(document(subject, found, remarks, out), as_json)
    if not printed:
        Screen().say("\n".join((*tell(found, subject.reference_names), *remarks)))
    nearest = None if found.nearest is None else subject.references.get(found.nearest.reference)
    grid = Grid(tiling.size_px, tiling.patch_px)
    figure = draw(subject.image, nearest, found, title=subject.title, grid=grid)
    with writing(out):
        figure.savefig(out, dpi=110)
    if not printed:
        Screen().say(f"drawn in {out}")


def document(
    subject: Subject, found: Explanation, remarks: Sequence[str], out: Path
) -> dict[str, object]:
    """The explanation as JSON; rows and columns count patches from 0."""
    near = found.nearest
    return {
        "subject": subject.title,
        "anomaly_score": found.anomaly_score,
        "place": vars(found.place),
        "tile": None if found.tile is None else vars(found.tile),
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
            "reference": subject.reference_names[near.reference],
            "place": vars(near.box),
            "similarity": near.similarity,
        },
        "remarks": list(remarks),
        "drawing": str(out),
    }
