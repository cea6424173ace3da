"""Files that a command writes for people: documents, tables, drawings."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from contract.errors import FlawlineError, StorageError
from contract.files import whole


def require_folder(target: Path | None) -> None:
    """Before long work: whether there is a folder to write `target` into; None asks for nothing.

    Raises:
        StorageError: naming the folder.
    """
    if target is not None and not target.resolve().parent.is_dir():
        raise StorageError(f"cannot write {target}: there is no folder {target.resolve().parent}")


@contextmanager
def writing(target: Path, remedy: str = "") -> Iterator[None]:
    """What is done here writes `target`.

    Raises:
        StorageError: naming why it cannot be written.
    """
    try:
        yield
    except FlawlineError:
        raise
    except OSError as error:
        raise StorageError(f"cannot write {target}: {error.strerror}", remedy) from None


@contextmanager
def whole_document(target: Path) -> Iterator[TextIO]:
    """A text file that takes the place of `target` once all is written, and not before.

    A pipe or a device is never whole and written as it comes.

    Raises:
        StorageError: naming why it cannot be written.
    """
    with writing(target):
        if target.exists() and not target.is_file():
            with target.open("w", encoding="utf-8", newline="") as file:
                yield file
            return
        place = target.resolve()
        with whole(place) as draft:
            with draft.open("w", encoding="utf-8", newline="") as file:
                yield file
            if place.exists():
                shutil.copymode(place, draft)


def write(target: Path, text: str) -> None:
    """Write `text` to `target`, as `whole_document`.

    Raises:
        StorageError: naming why it cannot be written.
    """
    with whole_document(target) as file:
        file.write(text)
