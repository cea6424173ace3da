"""`flawline enroll`: teach a line with good parts."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import numpy.typing as npt
import typer
from rich.console import Console
from rich.text import Text

from contract.clock import SystemClock
from contract.config import Config, Line
from contract.config_file import load_config
from contract.control import ask
from contract.errors import ConfigError, FlawlineError, ImageError
from contract.image import list_images, read_image
from contract.messages import RequestMessage
from flawline.options import DEFAULT_CONFIG, AsJson, ConfigPath, give_json, require_json_target

if TYPE_CHECKING:
    from contract.image import Pixels
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
            help="With --images and --normal: share of the references' features to keep, for "
            "hundreds of references.",
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
    if camera is not None and (normal is not None or whole_picture or choose is not None):
        raise typer.BadParameter("--normal, --choose and --whole-picture go with --images")
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
    config = load_config(config_path)
    chosen = line_of(config, line)
    paths = list_images(directory)
    images = read_crops(directory, chosen, whole_picture=whole_picture)
    others = [] if normal is None else read_crops(normal, chosen, whole_picture=whole_picture)
    with Console(stderr=True).status(f"teaching {line} with {len(images)} picture(s)"):
        from scorer.references.enrolment import enroll
        from scorer.references.shelf import Shelf
        from scorer.scoring.winclip import load_model

        model = load_model(config.scorer.model)
        if choose is not None:
            images, spare = _choose(model, images, [path.name for path in paths], choose)
            others = others or spare
        manifest = enroll(
            model,
            chosen,
            images,
            Shelf(config.memory_directory),
            SystemClock(),
            normal=others,
            coreset=coreset,
        )
    if give_json(manifest, as_json):
        return
    typer.echo(
        f"line {line}: reference memory {manifest.version} from {manifest.num_references} "
        f"picture(s) is active\n"
        f"provisional FAIL threshold {manifest.fail_threshold:.4f} ({manifest.threshold_method})"
    )


def _choose(
    model: WinClip, images: list[Pixels], names: list[str], count: int
) -> tuple[list[Pixels], list[Pixels]]:
    """The best references, and what is left to set the threshold if that is enough."""
    from scorer.references.choice import choose, distances
    from scorer.references.enrolment import MIN_NORMAL

    found = choose(distances(model, images), count)
    for index in found.outliers:
        typer.echo(
            f"warning: {names[index]} is unlike all others: is it a good part? It is left out",
            err=True,
        )
    typer.echo(f"references: {', '.join(names[index] for index in found.chosen)}", err=True)
    used = {*found.chosen, *found.outliers}
    spare = [image for index, image in enumerate(images) if index not in used]
    return [images[index] for index in found.chosen], spare if len(spare) >= MIN_NORMAL else []


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
    with Console(stderr=True).status("waiting for good parts") as status:
        while time.monotonic() < deadline_s:
            reply = ask(config, RequestMessage(command="status"))
            status.update(Text(reply.text))
            if reply.enrolment == "teaching":
                deadline_s = time.monotonic() + ENROLMENT_TIMEOUT_S
            if reply.enrolment == "failed":
                raise FlawlineError(reply.text)
            if reply.memories.get(line, "") != before:
                made = {"line": line, "version": reply.memories[line]}
                if not give_json(made, as_json):
                    typer.echo(f"line {line}: reference memory {made['version']} is active")
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


def read_crops(directory: Path, line: Line, *, whole_picture: bool) -> list[npt.NDArray[np.uint8]]:
    """All pictures in a folder; `whole_picture`: with the line's region cut out.

    Raises:
        ConfigError: the cameras of the line have different regions.
        ImageError: a picture that cannot be read, or does not hold the region.
    """
    images = [read_image(path) for path in list_images(directory)]
    return [_crop(image, line) for image in images] if whole_picture else images


def _crop(image: npt.NDArray[np.uint8], line: Line) -> npt.NDArray[np.uint8]:
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
