"""`flawline models`: which CLIP models there are, and whether their weights are sound."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from contract.documents import ModelDocument, ModelsDocument, VerifiedDocument
from contract.errors import ModelError
from flawline.options import AsJson, Command, give_json, require_json_target
from flawline.screen import Screen

app = typer.Typer(no_args_is_help=True, help="CLIP models and their weights.")


@app.command("list", cls=Command)
def models_list(
    every: Annotated[bool, typer.Option("--all", help="All open_clip models and tags.")] = False,
    as_json: AsJson = None,
) -> None:
    """List the models that Flawline can use."""

    list_models(every=every, as_json=as_json)


@app.command("pull", cls=Command)
def models_pull(
    name: Annotated[str, typer.Argument(help="open_clip model name.")] = "ViT-B-16-plus-240",
    tag: Annotated[str, typer.Argument(help="Pretrained tag.")] = "laion400m_e32",
) -> None:
    """Download the weights of a model to this host, once."""

    pull_model(name, tag)


@app.command("verify", cls=Command)
def models_verify(
    name: Annotated[str, typer.Argument(help="Model name.")] = "flawline-mini",
    weights: Annotated[Path | None, typer.Option(help="Local weights file.")] = None,
    sha256: Annotated[str | None, typer.Option(help="Expected SHA-256 of the file.")] = None,
    as_json: AsJson = None,
) -> None:
    """Load a model's weights, score one picture with it, and print its SHA-256."""

    verify_model(name, weights=weights, sha256=sha256, as_json=as_json)


def list_models(*, every: bool, as_json: Path | None) -> None:
    """The embedded model, the production default and, with `every`, all that open_clip knows."""
    from scorer.clip.models import MINI, PRODUCTION, pretrained_models

    require_json_target(as_json)
    usual = [
        ModelDocument(name=MINI, pretrained=None, about="in the package, for demo and tests"),
        ModelDocument(
            name=PRODUCTION[0], pretrained=PRODUCTION[1], about="for production: the paper's model"
        ),
    ]
    others = [pair for pair in pretrained_models() if pair != PRODUCTION] if every else []
    models = (*usual, *(ModelDocument(name=name, pretrained=tag) for name, tag in others))
    if give_json(ModelsDocument(models=models), as_json):
        return
    table = Table("name", "pretrained", "about")
    for each in models:
        table.add_row(each.name, each.pretrained or "", each.about)
    Screen().print(table)


def pull_model(name: str, tag: str) -> None:
    """Download weights.

    Raises:
        ModelError: no such tag, or no network.
    """
    from scorer.clip.models import file_sha256, pull

    with Screen(stderr=True).working(f"downloading {name} {tag}"):
        path = pull(name, tag)
        sha256 = file_sha256(path)
    Screen().say(f"{path}\nsha256 {sha256}")


def verify_model(
    name: str, *, weights: Path | None, sha256: str | None, as_json: Path | None = None
) -> None:
    """Load `name` and run it once.

    Raises:
        ModelError: the weights cannot be read, do not fit, differ from `sha256`, or give no number.
    """
    from scorer.scoring.winclip import WinClip

    require_json_target(as_json)
    with Screen(stderr=True).working(f"loading {name}"):
        model = WinClip.load(name, weights=weights)
        finite = model.is_sound()
    found = model.fingerprint.weights_sha256
    if sha256 is not None and sha256.lower() != found:
        raise ModelError(f"{name} has sha256 {found}", f"expected {sha256}")
    if not finite:
        raise ModelError(f"{name} gives scores that are not numbers", "its weights are damaged")
    document = VerifiedDocument(
        name=name, weights_sha256=found, tokens_per_image=model.backbone.tower.tokens_per_image
    )
    if not give_json(document, as_json):
        Screen().say(f"{name}: ok, {document.tokens_per_image} tokens an image\nsha256 {found}")
