"""`flawline models`: which CLIP models there are, and whether their weights are sound."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from contract.errors import ModelError

app = typer.Typer(no_args_is_help=True, help="CLIP models and their weights.")


@app.command("list")
def models_list(
    every: Annotated[bool, typer.Option("--all", help="All open_clip models and tags.")] = False,
) -> None:
    """List the models that Flawline can use."""

    list_models(every=every)


@app.command("pull")
def models_pull(
    name: Annotated[str, typer.Argument(help="open_clip model name.")] = "ViT-B-16-plus-240",
    tag: Annotated[str, typer.Argument(help="Pretrained tag.")] = "laion400m_e32",
) -> None:
    """Download the weights of a model to this host, once."""

    pull_model(name, tag)


@app.command("verify")
def models_verify(
    name: Annotated[str, typer.Argument(help="Model name.")] = "flawline-mini",
    weights: Annotated[Path | None, typer.Option(help="Local weights file.")] = None,
    sha256: Annotated[str | None, typer.Option(help="Expected SHA-256 of the file.")] = None,
) -> None:
    """Load a model's weights, score one picture with it, and print its SHA-256."""

    verify_model(name, weights=weights, sha256=sha256)


def list_models(*, every: bool) -> None:
    """The embedded model, the production default and, with `every`, all that open_clip knows."""
    from scorer.clip.models import MINI, PRODUCTION, pretrained_models

    typer.echo(f"{MINI}\tembedded, for demo and tests")
    typer.echo("\t".join(PRODUCTION) + "\tproduction default (the paper's)")
    if every:
        for name, tag in pretrained_models():
            typer.echo(f"{name}\t{tag}")


def pull_model(name: str, tag: str) -> None:
    """Download weights.

    Raises:
        ModelError: no such tag, or no network.
    """
    from scorer.clip.models import file_sha256, pull

    with Console(stderr=True).status(f"downloading {name} {tag}"):
        path = pull(name, tag)
        sha256 = file_sha256(path)
    typer.echo(f"{path}\nsha256 {sha256}")


def verify_model(name: str, *, weights: Path | None, sha256: str | None) -> None:
    """Load `name` and run it once.

    Raises:
        ModelError: the weights cannot be read, do not fit, differ from `sha256`, or give no number.
    """
    from scorer.scoring.winclip import WinClip

    with Console(stderr=True).status(f"loading {name}"):
        model = WinClip.load(name, weights=weights)
        finite = model.is_sound()
    found = model.fingerprint.weights_sha256
    if sha256 is not None and sha256.lower() != found:
        raise ModelError(f"{name} has sha256 {found}", f"expected {sha256}")
    if not finite:
        raise ModelError(f"{name} gives scores that are not numbers", "its weights are damaged")
    typer.echo(
        f"{name}: ok, {model.backbone.tower.tokens_per_image} tokens an image\nsha256 {found}"
    )
