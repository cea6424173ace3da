"""What a check or a try notices, before it is known where in the file that stands."""

from __future__ import annotations

from typing import NamedTuple

from contract.config_file import Location
from contract.documents import Severity
from contract.errors import FlawlineError


class Note(NamedTuple):
    """`text` about the key at `location`."""

    severity: Severity
    location: Location
    text: str


def error(location: Location, problem: FlawlineError | str) -> Note:
    """Something that keeps the station, or a part of it, from working."""
    return Note("error", location, str(problem))


def warning(location: Location, problem: FlawlineError | str) -> Note:
    """Something that works, but hardly as it was meant."""
    return Note("warning", location, str(problem))
