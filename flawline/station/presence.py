"""That a station runs: a lock and a note in its run directory, for `flawline reload` to find."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from contract.errors import AddressInUse, FlawlineError, StorageError
from contract.files import whole
from contract.lock import hold, is_held

NAME = "station"


class StationNote(BaseModel):
    """What a running station says of itself.

    Attributes:
        config: the configuration file that it runs.
        reloads: how often it was asked to read that again.
        accepted: whether it took what it read last.
        done: what it then did, in words; or why it did nothing.
    """

    model_config = ConfigDict(frozen=True)

    process_id: int
    config: Path
    reloads: int = 0
    accepted: bool = True
    done: tuple[str, ...] = ()


class Presence:
    """Holds the run directory for one station. Use as a context manager."""

    def __init__(self, directory: Path, note: StationNote) -> None:
        self._path = directory / NAME
        self._note = note
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Say that the station runs.

        Raises:
            AddressInUse: one runs here already.
            ConfigError, StorageError: the folder cannot be used.
        """
        try:
            self._stack.enter_context(hold(self._path))
        except AddressInUse:
            raise AddressInUse(
                f"a station runs in {self._path.parent} already",
                "stop it, or set another network.directory",
            ) from None
        self._write()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _note_path(self._path).unlink(missing_ok=True)
        self._stack.close()

    def reloaded(self, done: Sequence[str], *, accepted: bool) -> None:
        """Tell whoever asked for it how the reload went."""
        changes = {"reloads": self._note.reloads + 1, "accepted": accepted, "done": tuple(done)}
        self._note = self._note.model_copy(update=changes)
        self._write()

    def _write(self) -> None:
        path = _note_path(self._path)
        try:
            with whole(path) as draft:
                draft.write_text(self._note.model_dump_json(), "utf-8")
        except OSError as error:
            raise StorageError(f"cannot write {path}: {error.strerror}") from None


@contextmanager
def no_station(directory: Path) -> Iterator[None]:
    """Keep a station from running in `directory` meanwhile.

    Raises:
        AddressInUse: one does.
        ConfigError, StorageError: the folder cannot be used.
    """
    try:
        held = hold(directory / NAME)
    except AddressInUse:
        raise AddressInUse(f"a station runs in {directory}", "stop it first") from None
    with held:
        yield


def running_in(directory: Path) -> StationNote:
    """What the station that runs in `directory` says of itself.

    Raises:
        FlawlineError: none runs there; the remains of one that was killed are no station.
    """
    path = directory / NAME
    if not is_held(path):
        raise FlawlineError(f"no station runs in {directory}", "start it with `flawline run`")
    try:
        return StationNote.model_validate_json(_note_path(path).read_text("utf-8"))
    except (OSError, ValidationError):
        raise FlawlineError(f"the station in {directory} is starting", "try again") from None


def _note_path(path: Path) -> Path:
    return path.with_name(path.name + ".json")
