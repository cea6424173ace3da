"""What several commands share: their options, and what they need, where they print and write."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from contract.errors import ConfigError, StorageError

ConfigPath = Annotated[
    Path, typer.Option("--config", "-c", help="Configuration file (YAML).", dir_okay=False)
]
DEFAULT_CONFIG = Path("flawline.yaml")

ModelName = Annotated[str, typer.Option(help="open_clip model name.")]
WeightsFile = Annotated[Path | None, typer.Option(help="Local weights file.")]
PretrainedTag = Annotated[str | None, typer.Option(help="open_clip pretrained tag.")]
PresetName = Annotated[Literal["paper", "anomalib"], typer.Option(help="WinCLIP details.")]
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


def require(module: str, *, extra: str) -> None:
    """Say before the work, and not after an hour of it, that something is missing.

    Raises:
        ConfigError: `module` is not installed; names the extra that brings it.
    """
    if find_spec(module) is None:
        raise ConfigError(f"{module} is not installed here", f"pip install 'flawline[{extra}]'")


def table_console() -> Console:
    """Where tables go; wide enough for them in a file."""
    return Console(width=None if Console().is_terminal else 160)


def require_folder(target: Path | None) -> None:
    """Say now, and not after an hour, that a file cannot be written."""
    if target is not None and not target.resolve().parent.is_dir():
        raise StorageError(f"cannot write {target}: there is no folder {target.resolve().parent}")


def write(path: Path, text: str) -> None:
    """Write `text`.

    Raises:
        StorageError: naming why not.
    """
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror}") from None
