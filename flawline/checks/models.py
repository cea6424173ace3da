"""The model, as far as it can be checked without its weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from contract.config import Config
from contract.errors import ModelError
from flawline.checks.note import Note, error

MODEL = ("scorer", "model")


def check_files(config: Config, environ: Mapping[str, str]) -> Iterator[Note]:
    """Weights that are not there."""
    for key in ("weights", "association_weights"):
        path = getattr(config.scorer.model, key)
        if path is not None and not path.is_file():
            what = "is not a file" if path.exists() else "does not exist"
            yield error((*MODEL, key), f"{path} {what}: a .safetensors file or checkpoint")


def check_names(config: Config, environ: Mapping[str, str]) -> Iterator[Note]:
    """Models and tags that nobody knows."""
    from scorer.clip.models import require_known
    from scorer.windows import patches

    settings = config.scorer.model
    try:
        require_known(settings.name)
    except ModelError as problem:
        yield error((*MODEL, "name"), problem)
    else:
        try:
            require_known(settings.name, pretrained=settings.pretrained)
        except ModelError as problem:
            yield error((*MODEL, "pretrained"), problem)
    if settings.association is not None:
        try:
            patches.require_known(settings.association)
        except ModelError as problem:
            yield error((*MODEL, "association"), problem)
