"""`flawline enroll`: teach a line with good parts."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from contract.clock import SystemClock
from contract.config import Config, Line
from contract.config_file import load_config
from contract.control import ask
from contract.errors import ConfigError, FlawlineError, ImageError
from contract.image import Pixels, list_images, read_image
from contract.messages import RequestMessage
from flawline.options import DEFAULT_CONFIG, AsJson, ConfigPath, give_json, require_json_target
from flawline.progress import loaded, progress
from flawline.screen import Screen

if TYPE_CHECKING:
    from scorer.references.manifest import Manifest
    from scorer.references.shelf import Shelf
    from scorer.scoring.winclip import WinClip

POLL_S = 0.3
ENROLMENT_TIMEOUT_S = 120.0


def enroll(
    line: Annotated[str, typer.Option("--line", "-l", help="The line to teach.")],
    images: Annotated[
        Path | None,
        typer.Option("--images", help="Folder with one to a few pictures of good parts."),
    ] = None,
    normal: Annotated[
        Path | None,
        typer.Option(help="With --images: folder with more good pictures, to set the threshold."),
    ] = None,
    camera: Annotated[
        str | None,
        typer.Option("--from", help="Camera of a running station to take good parts from."),
    ] = None,
    count: Annotated[int, typer.Option(help="With --from: how many frames.", min=1, max=64)] = 4,
    interval_s: Annotated[
        float, typer.Option(help="With --from: seconds between two frames.", min=0, max=3600)
    ] = 1.0,
    whole_picture: Annotated[
        bool,
        typer.Option(
            "--whole-picture",
            help="With --images: pictures show all that the camera sees; cut the region out.",
        ),
    ] = False,
    choose: Annotated[
        int | None,
        typer.Option(
            help="With --images: take only so many, those that cover the others best; pictures "
            "that are unlike all others are named and left out.",
            min=1,
            max=64,
        ),
    ] = None,
    coreset: Annotated[
        float,
        typer.Option(
            help="With --images and --normal: share of the references' features to keep, those "
            "that stand for the others best (a coreset); for hundreds of references.",
            min=0.001,
            max=1.0,
        ),
    ] = 1.0,
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = None,
) -> None:
    """Teach a line with good parts; a running scorer follows without restart.

    Pictures show the inspected crop, at any resolution, unless --whole-picture is given.
    """

    if (images is None) == (camera is None):
        raise typer.BadParameter("give exactly one of --images DIR and --from CAMERA")
    of_folder = normal is not None or whole_picture or choose is not None or coreset < 1.0
    if camera is not None and of_folder:
        raise typer.BadParameter(
            "--normal, --choose, --coreset and --whole-picture go with --images"
        )
    if images is not None:
        enroll_from_images(
            config,
            line=line,
            directory=images,
            normal=normal,
            whole_picture=whole_picture,
            coreset=coreset,
            choose=choose,
            as_json=as_json,
        )
    elif camera is not None:
        enroll_from_camera(
            config,
            line=line,
            camera=camera,
            count=count,
            interval_s=interval_s,
            as_json=as_json,
        )


def enroll_from_images(
    config_path: Path,
    *,
    line: str,
    directory: Path,
    normal: Path | None,
    whole_picture: bool,
    coreset: float = 1.0,
    choose: int | None = None,
    as_json: Path | None = None,
) -> None:
    """Teach `line` with all pictures in `directory`; those in `normal` set its threshold.

    With `choose` only so many of them are references, and the others set the threshold unless
    there is `normal`.

    Raises:
        ConfigError, ImageError, ModelError, StorageError: naming what would be right.
    """
    require_json_target(as_json)
    from scorer.references.enrolment import enroll, num_steps
    from scorer.references.shelf import Shelf

    config = load_config(config_path)
    chosen, shelf = line_of(config, line), Shelf(config.memory_directory)
    taught = _read(directory, chosen, whole_picture=whole_picture)
    others = [] if normal is None else read_crops(normal, chosen, whole_picture=whole_picture)
    model = loaded(config.scorer.model)
    if choose is not None:
        taught, spare = _choose(model, taught, choose)
        others = others or spare
    steps = num_steps(num_references=len(taught), num_normal=len(others), coreset=coreset)
    with progress(f"teaching {line}", steps) as step:
        manifest = enroll(
            model,
            chosen,
            list(taught.values()),
            shelf,
            SystemClock(),
            names=list(taught),
            normal=others,
            coreset=coreset,
            step=step,
        )
    if not give_json(manifest, as_json):
        _tell(manifest, shelf)


def _read(directory: Path, line: Line, *, whole_picture: bool) -> dict[str, Pixels]:
    """The pictures in a folder by name."""
    names = [path.name for path in list_images(directory)]
    return dict(zip(names, read_crops(directory, line, whole_picture=whole_picture), strict=True))


def _tell(manifest: Manifest, shelf: Shelf) -> None:
    """What was taken, where a person can look at it, and what speaks against it."""
    from scorer.references.contact_sheet import SHEET

    sheet = shelf.folder(manifest.line, manifest.version) / SHEET
    typer.echo(
        f"line {manifest.line}: reference memory {manifest.version} from "
        f"{manifest.num_references} picture(s) is active\n"
        f"provisional FAIL threshold {manifest.fail_threshold:.4f} ({manifest.threshold_method}): "
        "a first estimate, without a promise; `flawline calibrate` makes one\n"
        f"contact sheet: {sheet.resolve()}"
    )
    for warning in manifest.warnings:
        Screen(stderr=True).complain("warning", warning)


def _choose(
    model: WinClip, images: dict[str, Pixels], count: int
) -> tuple[dict[str, Pixels], list[Pixels]]:
    """The best references, and what is left to set the threshold if that is enough."""
    from scorer.references.choice import choose, distances
    from scorer.references.enrolment import MIN_NORMAL

    names, pictures = list(images), list(images.values())
    with progress("comparing pictures", 2 * len(pictures)) as step:
        found = choose(distances(model, pictures, step=step), count)
    screen = Screen(stderr=True)
    for index in found.outliers:
        text = f"{names[index]} is unlike all others: is it a good part? It is left out"
        screen.complain("warning", text)
    screen.say(f"references: {', '.join(names[index] for index in found.chosen)}")
    used = {*found.chosen, *found.outliers}
    spare = [image for index, image in enumerate(pictures) if index not in used]
    chosen = {names[index]: pictures[index] for index in found.chosen}
    return chosen, spare if len(spare) >= MIN_NORMAL else []


def enroll_from_camera(
    config_path: Path,
    *,
    line: str,
    camera: str,
    count: int,
    interval_s: float,
    as_json: Path | None = None,
) -> None:
    """Have a running scorer take `count` good parts from `camera`.

    Raises:
        ConfigError: no such line or camera.
        FlawlineError: no scorer runs, no frames come, or the enrolment failed.
    """
    require_json_target(as_json)
    config = load_config(config_path)
    line_of(config, line)
    before = ask(config, RequestMessage(command="status")).memories.get(line, "")
    ask(
        config,
        RequestMessage(
            command="enroll", line=line, camera=camera, count=count, interval_s=interval_s
        ),
    )
    deadline_s = time.monotonic() + ENROLMENT_TIMEOUT_S + count * interval_s
    with Screen(stderr=True).working(f"waiting for {count} good parts") as status:
        while time.monotonic() < deadline_s:
            reply = ask(config, RequestMessage(command="status"))
            status.update(Text(reply.text))
            if reply.enrolment == "teaching":
                deadline_s = time.monotonic() + ENROLMENT_TIMEOUT_S
            if reply.enrolment == "failed":
                raise FlawlineError(reply.text)
            if reply.enrolment == "done" and reply.memories.get(line, "") == before:
                raise FlawlineError(f"{reply.text}\nbut it is not in use", "see the scorer's log")
            if reply.enrolment == "done":
                made = {"line": line, "version": reply.memories[line], "said": reply.text}
                if not give_json(made, as_json):
                    Screen().say(f"{reply.text}\nreference memory {made['version']} is active")
                return
            time.sleep(POLL_S)
    raise FlawlineError(f"no {count} frames of camera {camera} in time", "is the camera streaming?")


def line_of(config: Config, name: str) -> Line:
    """The configured line `name`.

    Raises:
        ConfigError: there is none; lists those there are.
    """
    try:
        return config.line(name)
    except KeyError:
        known = ", ".join(line.name for line in config.lines)
        raise ConfigError(f"no line {name!r}", f"the lines are {known}") from None


def read_crops(directory: Path, line: Line, *, whole_picture: bool) -> list[Pixels]:
    """All pictures in a folder; see `read_crop`."""
    return [read_crop(path, line, whole_picture=whole_picture) for path in list_images(directory)]


def read_crop(path: Path, line: Line, *, whole_picture: bool) -> Pixels:
    """The picture in `path`; `whole_picture`: with the line's region cut out.

    Raises:
        ConfigError: the cameras of the line have different regions.
        ImageError: a picture that cannot be read, or does not hold the region.
    """
    image = read_image(path)
    return _crop(image, line) if whole_picture else image


def _crop(image: Pixels, line: Line) -> Pixels:
    region = line.cameras[0].region
    if any(camera.region != region for camera in line.cameras):
        raise ConfigError(
            f"the cameras of line {line.name} look at different regions",
            "give crops, without --whole-picture",
        )
    if region is None:
        return image
    right, bottom = region.x_px + region.width_px, region.y_px + region.height_px
    if bottom > image.shape[0] or right > image.shape[1]:
        raise ImageError(
            f"picture of {image.shape[1]} x {image.shape[0]} px does not hold the region of camera "
            f"{line.cameras[0].name}, which ends at {right} x {bottom}",
            "give whole camera pictures, or crops without --whole-picture",
        )
    return image[region.y_px : bottom, region.x_px : right]
