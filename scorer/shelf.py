"""Reference memories on disk: immutable versions per line and an atomic pointer to the active one.

DIRECTORY/<line>/<version>/memory.safetensors, manifest.json
DIRECTORY/<line>/active                          holds a version's name
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from contract.config import Line, Region
from contract.errors import MemoryMismatch, StorageError
from contract.section import Score
from scorer.files import sha256_of
from scorer.memory import Fingerprint, ReferenceMemory


class Manifest(BaseModel):
    """What a reference memory was made from, and for what."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: Literal[1] = 1
    version: str
    line: str
    object_name: str
    normal_states: tuple[str, ...]
    anomalous_states: tuple[str, ...]
    inspection_px: int
    regions: Mapping[str, Region | None]
    model: str
    weights_sha256: str
    preset: str
    num_references: int
    image_sha256: tuple[str, ...]
    created_ns: int
    created_by: str
    language_weight: Score
    fail_threshold: Score
    threshold_method: str
    memory_sha256: str = ""

    @property
    def fingerprint(self) -> Fingerprint:
        return Fingerprint(self.model, self.weights_sha256, self.preset)

    def require(self, line: Line, *, language_weight: float) -> None:
        """Refuse a line whose inspected crop, or kind of score, is not the enrolled one.

        Raises:
            MemoryMismatch: naming what differs.
        """
        if self.inspection_px != line.inspection_px:
            raise MemoryMismatch(
                f"line {line.name}: the reference memory {self.version} was made at "
                f"{self.inspection_px} px, the line inspects at {line.inspection_px} px",
                "enroll the line again",
            )
        if self.language_weight != language_weight:
            raise MemoryMismatch(
                f"line {line.name}: the reference memory {self.version} has its threshold for "
                f"language_weight {self.language_weight:g}, now it is {language_weight:g}",
                "enroll the line again",
            )
        for camera in line.cameras:
            enrolled = self.regions.get(camera.name, camera.region)
            if enrolled != camera.region:
                raise MemoryMismatch(
                    f"line {line.name}: the reference memory {self.version} was made with region "
                    f"{_shown(enrolled)} of camera {camera.name}, which is now at "
                    f"{_shown(camera.region)}",
                    "enroll the line again, or set the region back",
                )


class Shelf:
    """All reference memories of a station.

    Args:
        directory: created when the first memory is saved.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def save(self, memory: ReferenceMemory, manifest: Manifest) -> None:
        """Write one version; it appears whole or not at all.

        Raises:
            StorageError: the folder cannot be written.
        """
        tensors = {"patches": memory.patches.contiguous()}
        tensors |= {
            f"windows.{number}": scale.contiguous() for number, scale in enumerate(memory.windows)
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
                draft.chmod(0o755)
                draft.rename(home / manifest.version)
            except BaseException:
                shutil.rmtree(draft, ignore_errors=True)
                raise
        except (OSError, SafetensorError) as error:
            reason = getattr(error, "strerror", None) or error
            raise StorageError(f"cannot write reference memory to {home}: {reason}") from None

    def activate(self, line: str, version: str) -> None:
        """Point `line` to `version`; a running scorer follows within a second.

        Raises:
            StorageError: no such version, or the folder cannot be written.
        """
        home = self._directory / line
        self._require(line, version)
        draft = home / f".active-{os.getpid()}"
        try:
            draft.write_text(version, "utf-8")
            draft.replace(home / _ACTIVE)
        except OSError as error:
            raise StorageError(f"cannot write {home / _ACTIVE}: {error.strerror}") from None

    def active(self, line: str) -> str | None:
        """The active version of `line`, if any."""
        try:
            return (self._directory / line / _ACTIVE).read_text("utf-8").strip()
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise StorageError(
                f"cannot read {self._directory / line / _ACTIVE}: "
                f"{getattr(error, 'strerror', 'not text')}",
                "activate a version again",
            ) from None

    def versions(self, line: str) -> list[str]:
        """All versions of `line`, oldest first."""
        home = self._directory / line
        try:
            if not home.is_dir():
                return []
            return sorted(path.name for path in home.iterdir() if (path / _MANIFEST).is_file())
        except OSError as error:
            raise StorageError(f"cannot read {home}: {error.strerror}") from None

    def load(self, line: str, version: str) -> tuple[ReferenceMemory, Manifest]:
        """One version of a line's memory.

        Raises:
            StorageError: missing or damaged.
        """
        self._require(line, version)
        home = self._directory / line / version
        try:
            manifest = Manifest.model_validate_json((home / _MANIFEST).read_text("utf-8"))
            if sha256_of(home / _TENSORS) != manifest.memory_sha256:
                raise ValueError("its SHA-256 is not the manifest's")
            tensors: dict[str, Tensor] = load_file(home / _TENSORS)
            windows = tuple(tensors[f"windows.{number}"] for number in range(len(tensors) - 1))
            memory = ReferenceMemory(
                tensors["patches"], windows, manifest.num_references, manifest.fingerprint
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


def new_version(created_ns: int, image_sha256: tuple[str, ...]) -> str:
    """A name that sorts by time and tells two memories of one second apart."""
    moment = datetime.fromtimestamp(created_ns / 1e9, UTC).strftime("%Y%m%dT%H%M%SZ")
    digest = hashlib.sha256(f"{created_ns}{image_sha256}".encode()).hexdigest()
    return f"{moment}-{digest[:8]}"


def _shown(region: Region | None) -> str:
    if region is None:
        return "the whole picture"
    return f"{region.width_px}x{region.height_px}+{region.x_px}+{region.y_px}"


_TENSORS = "memory.safetensors"
_MANIFEST = "manifest.json"
_ACTIVE = "active"
