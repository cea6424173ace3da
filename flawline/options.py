"""What several commands share: their options, and what they need, where they print and write."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer
from pydantic import BaseModel, ValidationError
from typer.core import TyperCommand

from contract.config import ModelSettings
from contract.errors import ConfigError
from flawline.files import require_folder, write

ConfigPath = Annotated[
    Path, typer.Option("--config", "-c", help="Configuration file (YAML).", dir_okay=False)
]
DEFAULT_CONFIG = Path("flawline.yaml")

JSON_OPTION: Final = "--json"
JSON_SUFFIX: Final = ".json"
STANDARD_OUTPUT: Final = Path("-")
AsJson = Annotated[
    Path | None,
    typer.Option(
        JSON_OPTION,
        metavar="[FILE.json]",
        help="Print JSON instead, or, with a file, write it there too.",
    ),
]

ModelName = Annotated[str, typer.Option(help="open_clip model name.")]
WeightsFile = Annotated[Path | None, typer.Option(help="Local weights file.")]
PretrainedTag = Annotated[str | None, typer.Option(help="open_clip pretrained tag.")]
PresetName = Annotated[
    Literal["paper", "anomalib"],
    typer.Option(help="What the paper leaves open: as we read it, or as anomalib does it."),
]
Device = Annotated[str, typer.Option(help="cpu or cuda.")]
LanguageWeight = Annotated[
    float | None,
    typer.Option(
        help="With references: share of the words; the paper's is 0.5, flawline-mini's 0."
    ),
]
AssociationModel = Annotated[
    str | None,
    typer.Option(help="timm model whose patches are compared with references, instead of CLIP's."),
]
AssociationWeights = Annotated[Path | None, typer.Option(help="Its local weights file.")]


def model_settings(**given: object) -> ModelSettings:
    """Settings of a model as a configuration file would hold them.

    Raises:
        ConfigError: they contradict each other; says what would be right.
    """
    try:
        return ModelSettings.model_validate(given)
    except ValidationError as error:
        message = str(error.errors(include_url=False)[0]["msg"])
        raise ConfigError(message.removeprefix("Value error, ")) from None


def require(module: str, *, extra: str) -> None:
    """Say before the work, and not after an hour of it, that something is missing.

    Raises:
        ConfigError: `module` is not installed; names the extra that brings it.
    """
    if find_spec(module) is None:
        raise ConfigError(f"{module} is not installed here", f"pip install 'flawline[{extra}]'")


class Command(TyperCommand):
    """A command whose `--json` may stand without a file.

    Typer has no option with an optional value. The file must end in .json: in `score --json a.png`
    the picture is a picture, and is not written over.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, with_json_target(args))


def with_json_target(arguments: Sequence[str]) -> list[str]:
    """The arguments with standard output as the file of a `--json` that names none.

    >>> with_json_target(["--json", "a.png", "--json", "a.json"])
    ['--json', '-', 'a.png', '--json', 'a.json']
    """
    filled: list[str] = []
    for place, argument in enumerate(arguments):
        if argument == "--":
            return [*filled, *arguments[place:]]
        filled.append(argument)
        if argument == JSON_OPTION:
            following = "".join(arguments[place + 1 : place + 2])
            if following != "-" and not following.lower().endswith(JSON_SUFFIX):
                filled.append("-")
    return filled


def require_json_target(as_json: Path | None) -> None:
    """Say before the work that the file of `--json` cannot be written, or is something else.

    Raises:
        ConfigError: its name does not end in .json.
        StorageError: its folder is not there.
    """
    if as_json is None or as_json == STANDARD_OUTPUT:
        return
    if as_json.suffix.lower() != JSON_SUFFIX:
        raise ConfigError(f"--json={as_json}", "a file that ends in .json")
    require_folder(as_json)


def give_json(document: BaseModel | Mapping[str, Any], as_json: Path | None) -> bool:
    """Print or write `document` as `--json` asks; whether it was printed, instead of other text.

    Raises:
        StorageError: the file cannot be written.
    """
    if as_json is None:
        return False
    require_json_target(as_json)
    plain = document.model_dump(mode="json") if isinstance(document, BaseModel) else document
    text = json.dumps(plain, indent=2)
    if as_json == STANDARD_OUTPUT:
        typer.echo(text)
        return True
    write(as_json, text + "\n")
    return False
