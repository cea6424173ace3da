"""What a webhook could not send before an orderly stop, kept in a file for the next start."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from contract.errors import StorageError
from contract.files import whole
from sinks.mes.notice import Notice

FOLDER_NAME: Final = "webhooks"
_NOTICES: Final = TypeAdapter(list[Notice])


class Leftovers:
    """The file of one webhook; there is none while nothing is left over."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> list[Notice]:
        """What is left over, the oldest first.

        Raises:
            StorageError: the file cannot be read, or is damaged: it should be set aside.
        """
        try:
            return _NOTICES.validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StorageError(f"cannot read {self._path}: {error.strerror}") from None
        except ValidationError:
            raise StorageError(
                f"{self._path} holds no events", "what it held is in the event store, too"
            ) from None

    def set_aside(self) -> None:
        """Move what cannot be read to where nobody writes, for a person to look at."""
        with suppress(OSError):
            self._path.replace(self._path.with_suffix(".damaged"))

    def keep(self, notices: Sequence[Notice]) -> None:
        """Have `notices`, and nothing else, left over.

        Raises:
            StorageError: the file cannot be written.
        """
        try:
            if not notices:
                self._path.unlink(missing_ok=True)
                return
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with whole(self._path, durable=True) as draft:
                draft.write_bytes(_NOTICES.dump_json(list(notices)))
        except OSError as error:
            raise StorageError(f"cannot write {self._path}: {error.strerror}") from None
