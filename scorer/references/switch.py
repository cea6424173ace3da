"""Changing which memory judges a line: what a command means, and its checks without a model.

A running scorer does it itself, with the memory loaded. Where none runs, the pointers on disk are
all there is to change, and the scorer uses them at its next start.
"""

from __future__ import annotations

from typing import Literal

from contract.config import Line, ModelSettings
from contract.errors import ConfigError, FlawlineError
from scorer.clip.models import known_sha256
from scorer.references.manifest import Manifest, mask_sha256
from scorer.references.shelf import Shelf
from scorer.scoring.memory import fingerprint_of
from scorer.scoring.winclip import language_weight_of

Command = Literal["activate", "shadow", "promote", "rollback"]


def meant(shelf: Shelf, line: str, command: Command, version: str | None) -> str | None:
    """The version that `command` is about; None: no shadow any more.

    Raises:
        FlawlineError: no version is given, or there is none to promote or to go back to.
        StorageError: the memories cannot be read.
    """
    if command == "promote":
        version = shelf.shadowing(line)
        if version is None:
            raise FlawlineError(f"line {line} has no shadow memory", "give it one first")
    elif command == "rollback":
        version = shelf.previous(line)
    elif command == "activate" and version is None:
        raise ConfigError("activate which version?", f"flawline memory list --line {line}")
    return version


def carry_out(
    shelf: Shelf, line: str, command: Command, version: str | None, *, now_ns: int, by: str
) -> str:
    """Write the pointers and the history; what was done, in words.

    Args:
        version: as `meant` says.

    Raises:
        StorageError: no such version, or the folder cannot be written.
    """
    if command == "shadow":
        shelf.shadow(line, version, now_ns=now_ns, by=by)
        done = "no shadow any more" if version is None else f"{version} is the shadow"
        return f"line {line}: {done}"
    shelf.activate(line, version or "", now_ns=now_ns, by=by, action=command)
    return f"line {line}: {version} is active"


def require_fit(shelf: Shelf, line: Line, version: str, settings: ModelSettings) -> None:
    """Refuse a version that the scorer would refuse, without loading the model.

    The weights of a pretrained tag may not be on this host: then the model's name has to do, and
    the scorer compares the weights when it starts.

    Raises:
        MemoryMismatch: made with another model, preset, size, tiling, mask, region or words.
        StorageError: missing or damaged.
        ModelError: the weights cannot be read.
    """
    _, manifest = shelf.load(line.name, version)
    require_manifest_fit(manifest, line, settings)


def require_manifest_fit(manifest: Manifest, line: Line, settings: ModelSettings) -> None:
    """As `require_fit`, by what is written of a version alone.

    Raises:
        MemoryMismatch, ModelError: as `require_fit`.
        ConfigError: the line's mask cannot be read.
    """
    manifest.require(
        line, language_weight=language_weight_of(settings), mask_sha256=mask_sha256(line)
    )
    association = None
    if settings.association is not None and settings.association_weights is not None:
        sha256 = known_sha256(settings.association, settings.association_weights)
        association = settings.association, sha256 or ""
    weights_sha256 = known_sha256(settings.name, settings.weights)
    expected = fingerprint_of(settings.name, weights_sha256 or "", settings.preset, association)
    if weights_sha256 is None:
        expected = expected._replace(weights_sha256=manifest.weights_sha256)
    manifest.fingerprint.require(expected)
