"""Reference memories on disk: immutable versions per line and which of them is in use.

DIRECTORY/<line>/<version>/memory.safetensors, manifest.json
DIRECTORY/<line>/<version>/contact_sheet.png, reference-0000.jpg, ...    what was taught
DIRECTORY/<line>/active, shadow, history         see `pointers`
"""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Final

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from contract.errors import ConfigError, StorageError
from contract.files import sync
from scorer.clip.models import sha256_of
from scorer.references.manifest import Manifest
from scorer.references.pointers import ACTIVATIONS, Action, Change, Pointers
from scorer.scoring.memory import Bank, ReferenceMemory

PICTURE_SUFFIXES: Final = frozenset({".jpg", ".png"})

log = logging.getLogger(__name__)


class Shelf:
    """All reference memories of a station.

    Args:
        directory: created when the first memory is saved.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def save(
        self,
        memory: ReferenceMemory,
        manifest: Manifest,
        pictures: Mapping[str, bytes] = MappingProxyType({}),
    ) -> None:
        """Write one version; it appears whole or not at all.

        Args:
            pictures: small files to keep with it, by name; see `contact_sheet`.

        Raises:
            StorageError: the folder cannot be written.
        """
        tensors = {
            f"{tile}.{number}": features.contiguous()
            for tile, bank in enumerate(memory.banks)
            for number, features in enumerate((bank.patches, *bank.windows))
        }
        home = self._directory / manifest.line
        try:
            home.mkdir(parents=True, exist_ok=True)
            draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=home))
            try:
                save_file({key: value.cpu() for key, value in tensors.items()}, draft / _TENSORS)
                described = manifest.model_copy(
                    update={"memory_sha256": sha256_of(draft / _TENSORS)}
                )
                (draft / _MANIFEST).write_text(described.model_dump_json(indent=1), "utf-8")
                for name, content in pictures.items():
                    (draft / name).write_bytes(content)
                for path in (*draft.iterdir(), draft):
                    sync(path)
                draft.chmod(0o755)
                draft.rename(home / manifest.version)
                sync(home)
            except BaseException:
                shutil.rmtree(draft, ignore_errors=True)
                raise
        except (OSError, SafetensorError) as error:
            reason = getattr(error, "strerror", None) or error
            raise StorageError(f"cannot write reference memory to {home}: {reason}") from None

    def activate(
        self, line: str, version: str, *, now_ns: int, by: str, action: Action = "activate"
    ) -> None:
        """Point `line` to `version`; a running scorer follows within a second.

        A version that was the line's shadow is none any more: it is promoted.

        Args:
            now_ns, by, action: for the history.

        Raises:
            StorageError: no such version, or the folder cannot be written.
        """
        with self._changing(line, version) as pointers:
            pointers.write("active", version)
            if pointers.read("shadow") == version:
                pointers.write("shadow", None)
            self._note(line, action, version, now_ns=now_ns, by=by)

    def shadow(self, line: str, version: str | None, *, now_ns: int, by: str) -> None:
        """Have `version` judge beside the active one, without a say; None: no longer.

        Args:
            now_ns, by: for the history.

        Raises:
            StorageError: no such version, or the folder cannot be written.
        """
        if version is not None:
            with self._changing(line, version) as pointers:
                pointers.write("shadow", version)
                self._note(line, "shadow", version, now_ns=now_ns, by=by)
        elif (before := self.shadowing(line)) is not None:
            with self._pointers(line).changing():
                self._pointers(line).write("shadow", None)
                self._note(line, "unshadow", before, now_ns=now_ns, by=by)

    def remove(self, line: str, version: str, *, now_ns: int, by: str) -> None:
        """Delete a version that is not in use; it is gone at once and whole.

        Args:
            now_ns, by: for the history.

        Raises:
            ConfigError: it is active or the shadow.
            StorageError: no such version, or the folder cannot be written.
        """
        home = self._directory / line
        gone = home / f".removed-{version}"
        with self._changing(line, version) as pointers:
            if version == pointers.read("active"):
                raise ConfigError(f"{version} judges line {line}", "activate another one first")
            if version == pointers.read("shadow"):
                raise ConfigError(
                    f"{version} is the shadow of line {line}",
                    f"end that first: flawline memory shadow --line {line}",
                )
            try:
                (home / version).rename(gone)
                sync(home)
            except OSError as error:
                raise StorageError(f"cannot remove {home / version}: {error.strerror}") from None
            self._note(line, "remove", version, now_ns=now_ns, by=by)
        shutil.rmtree(gone, ignore_errors=True)

    @contextmanager
    def _changing(self, line: str, version: str) -> Iterator[Pointers]:
        """The pointers of `line`, which nobody else changes, nor removes `version`, meanwhile."""
        self._require(line, version)
        pointers = self._pointers(line)
        with pointers.changing():
            self._require(line, version)
            yield pointers

    def _note(self, line: str, action: Action, version: str, *, now_ns: int, by: str) -> None:
        change = Change(action=action, version=version, changed_ns=now_ns, changed_by=by)
        try:
            self._pointers(line).note(change)
        except StorageError as error:
            # It is done: to say that it failed would be wrong.
            log.error("line %s: %s of %s, but: %s", line, action, version, error)

    def previous(self, line: str) -> str:
        """The version that was active before: going back twice returns.

        Raises:
            StorageError: there was none.
        """
        active, kept = self.active(line), set(self.versions(line))
        for change in reversed(self.history(line)):
            if change.action in ACTIVATIONS and change.version in kept - {active}:
                return change.version
        raise StorageError(
            f"line {line} has no earlier reference memory to go back to",
            f"it has: {', '.join(self.versions(line)) or 'none'}; activate one of them",
        )

    def active(self, line: str) -> str | None:
        """The active version of `line`, if any."""
        return self._pointers(line).read("active")

    def shadowing(self, line: str) -> str | None:
        """The version that judges beside the active one, if any."""
        return self._pointers(line).read("shadow")

    def history(self, line: str) -> list[Change]:
        """What was done with the versions of `line`, when and by whom; oldest first."""
        return self._pointers(line).history()

    def _pointers(self, line: str) -> Pointers:
        return Pointers(self._directory / line)

    def versions(self, line: str) -> list[str]:
        """All versions of `line`, oldest first."""
        home = self._directory / line
        try:
            if not home.is_dir():
                return []
            return sorted(
                path.name
                for path in home.iterdir()
                if not path.name.startswith(".") and (path / _MANIFEST).is_file()
            )
        except OSError as error:
            raise StorageError(f"cannot read {home}: {error.strerror}") from None

    def pictures(self, line: str, version: str) -> dict[str, bytes]:
        """The small pictures that are kept with a version; none with one made before there were.

        Raises:
            StorageError: no such version, or they cannot be read.
        """
        home = self.folder(line, version)
        try:
            return {
                path.name: path.read_bytes()
                for path in sorted(home.iterdir())
                if path.suffix in PICTURE_SUFFIXES
            }
        except OSError as error:
            raise StorageError(f"cannot read {home}: {error.strerror}") from None

    def folder(self, line: str, version: str) -> Path:
        """Where a version lies.

        Raises:
            StorageError: there is none.
        """
        self._require(line, version)
        return self._directory / line / version

    def manifest(self, line: str, version: str) -> Manifest:
        """What is written of one version.

        Raises:
            StorageError: missing or damaged, or of another version of Flawline.
        """
        path = self.folder(line, version) / _MANIFEST
        try:
            return Manifest.model_validate_json(path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise StorageError(
                f"reference memory {path} is missing or damaged, or of another version of Flawline "
                f"({type(error).__name__})",
                "enroll the line again",
            ) from None

    def load(self, line: str, version: str) -> tuple[ReferenceMemory, Manifest]:
        """One version of a line's memory.

        Raises:
            StorageError: missing or damaged.
        """
        manifest = self.manifest(line, version)
        home = self._directory / line / version
        try:
            if sha256_of(home / _TENSORS) != manifest.memory_sha256:
                raise ValueError("its SHA-256 is not the manifest's")
            tensors: dict[str, Tensor] = load_file(home / _TENSORS)
            memory = ReferenceMemory(
                _banks(tensors), manifest.num_references, manifest.fingerprint, manifest.num_tiles
            )
        except (OSError, ValueError, SafetensorError, KeyError) as error:
            raise StorageError(
                f"reference memory {home} is missing or damaged ({type(error).__name__})",
                "enroll the line again",
            ) from None
        return memory, manifest

    def _require(self, line: str, version: str) -> None:
        if version not in self.versions(line):
            raise StorageError(
                f"line {line} has no reference memory {version}",
                f"it has: {', '.join(self.versions(line)) or 'none'}",
            )


def _banks(tensors: Mapping[str, Tensor]) -> tuple[Bank, ...]:
    """Tensors named `tile.number`, patches first, as banks."""
    tiles = 1 + max(int(name.split(".")[0]) for name in tensors)
    scales = len(tensors) // tiles - 1
    return tuple(
        Bank(
            tensors[f"{tile}.0"],
            tuple(tensors[f"{tile}.{number}"] for number in range(1, scales + 1)),
        )
        for tile in range(tiles)
    )


_TENSORS = "memory.safetensors"
_MANIFEST = "manifest.json"
