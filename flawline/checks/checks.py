"""Checks of a whole configuration that open no camera and load no model: a table of them.

A check whose packages are not installed on this host says so, and the others go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from typing import Final, NamedTuple

from contract.config import Config
from contract.config_file import Places
from contract.documents import ConfigFinding
from flawline.checks import models, network, outputs, references, sources
from flawline.checks.note import Note

Environment = Mapping[str, str]


class Check(NamedTuple):
    """One check.

    Attributes:
        about: what it looks at, in words.
        run: gives what it notices.
        needs: a module that must be installed, and the extra of `flawline` that brings it.
    """

    about: str
    run: Callable[[Config, Environment], Iterator[Note]]
    needs: tuple[str, str] | None = None


CHECKS: Final = (
    Check("kinds of sources and passwords", sources.check_access),
    Check("files, folders and regions", sources.check_files, ("av", "ingest")),
    Check("masks", sources.check_masks, ("PIL", "scorer")),
    Check("model files", models.check_files),
    Check("model names", models.check_names, ("torch", "scorer")),
    Check("addresses and keys", network.check_network),
    Check("secrets of webhooks", outputs.check_secrets),
    Check("signing keys of webhooks", outputs.check_signers, ("standardwebhooks", "sinks")),
    Check("the event store's URL", outputs.check_store, ("sqlalchemy", "sinks")),
    Check("reference memories and thresholds", references.check_memories, ("torch", "scorer")),
)


def check(config: Config, places: Places, environ: Environment) -> list[ConfigFinding]:
    """Everything that is noticed, in the order of the file.

    Args:
        environ: where passwords and secrets are.
    """
    notes = [note for each in CHECKS for note in _notes(each, config, environ)]
    return in_order([places.finding(*note) for note in notes])


def in_order(findings: list[ConfigFinding]) -> list[ConfigFinding]:
    """By line; what is about no line comes last."""
    return sorted(findings, key=lambda each: (each.line is None, each.line or 0))


def _notes(each: Check, config: Config, environ: Environment) -> Iterator[Note]:
    if each.needs is not None and find_spec(each.needs[0]) is None:
        module, extra = each.needs
        missing = f"{module} is not installed here (pip install 'flawline[{extra}]')"
        yield Note("unchecked", (), f"{each.about}: {missing}")
        return
    yield from each.run(config, environ)
