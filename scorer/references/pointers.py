"""Which version of a line's reference memory is in use: small files beside the versions.

<line>/active     the version that judges
<line>/shadow     the version that judges beside it, without a say
<line>/history    one JSON line per change, the oldest first: what, when and who
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError

from contract.errors import StorageError
from contract.files import whole

Role = Literal["active", "shadow"]
MAX_HISTORY = 1000


Action = Literal["activate", "promote", "rollback", "shadow", "unshadow", "remove"]
ACTIVATIONS: Final[frozenset[Action]] = frozenset({"activate", "promote", "rollback"})


class Change(BaseModel):
    """What was done with which version, when, and who wanted it.

    A line of the history that says no action was written when only activations were.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    action: Action = "activate"
    version: str
    changed_ns: int = Field(validation_alias=AliasChoices("changed_ns", "activated_ns"))
    changed_by: str = Field(validation_alias=AliasChoices("changed_by", "activated_by"))


class Pointers:
    """The pointers of one line.

    Args:
        home: the line's folder.
    """

    def __init__(self, home: Path) -> None:
        self._home = home

    def read(self, role: Role) -> str | None:
        """The version in this role, if any.

        Raises:
            StorageError: the pointer cannot be read.
        """
        try:
            return (self._home / role).read_text("utf-8").strip()
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise StorageError(
                f"cannot read {self._home / role}: {getattr(error, 'strerror', 'not text')}",
                "activate a version again",
            ) from None

    def write(self, role: Role, version: str | None) -> None:
        """Point to `version`, at once and whole; None: to none.

        Raises:
            StorageError: the folder cannot be written.
        """
        try:
            if version is None:
                (self._home / role).unlink(missing_ok=True)
            else:
                self._replace(role, version)
        except OSError as error:
            raise StorageError(f"cannot write {self._home / role}: {error.strerror}") from None

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Keep other processes from changing pointers, history or versions meanwhile.

        Raises:
            StorageError: the folder cannot be written.
        """
        try:
            handle = (self._home / ".lock").open("wb")
            fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError as error:
            raise StorageError(f"cannot lock {self._home}: {error.strerror}") from None
        with handle:
            yield

    def history(self) -> list[Change]:
        """The changes, oldest first; a line that was cut off by a crash is left out.

        Raises:
            StorageError: the history cannot be read.
        """
        try:
            lines = (self._home / "history").read_text("utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StorageError(f"cannot read {self._home / 'history'}: {error.strerror}") from None
        found = []
        for line in lines:
            try:
                found.append(Change.model_validate_json(line))
            except ValidationError:
                continue
        return found

    def note(self, change: Change) -> None:
        """Add to the history, which keeps the newest thousand.

        Raises:
            StorageError: the folder cannot be written.
        """
        kept = [*self.history(), change][-MAX_HISTORY:]
        text = "".join(each.model_dump_json() + "\n" for each in kept)
        try:
            self._replace("history", text)
        except OSError as error:
            raise StorageError(f"cannot write {self._home / 'history'}: {error.strerror}") from None

    def _replace(self, name: str, text: str) -> None:
        with whole(self._home / name, durable=True) as draft:
            draft.write_text(text, "utf-8")
