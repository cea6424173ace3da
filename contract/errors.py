"""Errors with a remedy.

Every error that a user may see names the thing and says what would be right. `exit_code` tells a
supervisor what to do: 1 may heal, so restart; 2 will not heal without a person, so do not.
"""

from __future__ import annotations

EXIT_OK = 0
EXIT_RECOVERABLE = 1
EXIT_PERMANENT = 2


class FlawlineError(Exception):
    """Something went wrong that a person can act on.

    Args:
        what: what happened, naming the file, redacted URL or value.
        remedy: what would be right; empty if `what` says it already.
    """

    exit_code = EXIT_RECOVERABLE

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(what if not remedy else f"{what}: {remedy}")
        self.what = what
        self.remedy = remedy


class ConfigError(FlawlineError, ValueError):
    """The configuration cannot be used as it stands."""

    exit_code = EXIT_PERMANENT


class WireError(FlawlineError, ValueError):
    """A message that breaks the wire contract. It is counted and dropped; the process lives."""


class SourceError(FlawlineError, OSError):
    """A camera, file or folder cannot be opened or read."""


class SourceConfigError(SourceError):
    """A source that no amount of waiting will mend, such as a region outside the frame."""

    exit_code = EXIT_PERMANENT


class ImageError(FlawlineError, ValueError):
    """An image file that cannot be used."""


class ModelError(FlawlineError, ValueError):
    """A model or its weights cannot be loaded."""

    exit_code = EXIT_PERMANENT


class MemoryMismatch(FlawlineError, ValueError):
    """A reference memory that was made for another model, preset or region."""

    exit_code = EXIT_PERMANENT


class AddressInUse(FlawlineError, OSError):
    """A socket cannot be bound because something else listens there."""


class StorageError(FlawlineError, OSError):
    """The store or the evidence folder cannot be written."""
