"""What several commands share: their options, and what they need, where they print and write."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal, TypeVar

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import MofNCompleteColumn, Progress

from contract.config import ModelSettings
from contract.errors import ConfigError, StorageError

if TYPE_CHECKING:
    from scorer.scoring.winclip import WinClip

ConfigPath = Annotated[
    Path, typer.Option("--config", "-c", help="Configuration file (YAML).", dir_okay=False)
]
DEFAULT_CONFIG = Path("flawline.yaml")
TOLD_EVERY_S: Final = 10.0

T = TypeVar("T")

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


def loaded(settings: ModelSettings) -> WinClip:
    """The model that is asked for, while the terminal says what it waits for.

    Raises:
        ModelError: as `load_model`.
    """
    with working(f"loading {settings.name}"):
        from scorer.scoring.winclip import load_model

        return load_model(settings)


@contextmanager
def working(what: str) -> Iterator[None]:
    """Say on the terminal what takes a while; a file gets nothing."""
    with Console(stderr=True).status(escape(what)):
        yield


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[], None]]:
    """A bar on the terminal; the function that it hands out is called once for each step.

    Elsewhere, in a log say, a line every ten seconds, and nothing if it takes less.
    """
    console = Console(stderr=True)
    with Progress(
        *Progress.get_default_columns(),
        MofNCompleteColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bars:
        task, done, told_s = bars.add_task(escape(what), total=total), 0, time.monotonic()

        def step() -> None:
            nonlocal done, told_s
            done += 1
            bars.advance(task)
            if not console.is_terminal and time.monotonic() - told_s > TOLD_EVERY_S:
                told_s = time.monotonic()
                typer.echo(f"{what}: {done} of {total}", err=True)

        yield step


def stepping(items: Iterable[T], step: Callable[[], None]) -> Iterator[T]:
    """`items`; a step is done when the next one is asked for."""
    for item in items:
        yield item
        step()


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
