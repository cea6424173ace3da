"""`flawline models`: which CLIP models there are, and whether their weights are sound."""

from __future__ import annotations

from pathlib import Path

import typer
from rich.console import Console

from contract.errors import ModelError


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
    typer.echo(f"{name}: ok, {model.tokens_per_image} tokens an image\nsha256 {found}")
