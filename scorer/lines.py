"""What the scorer knows of each line: words, active memory, thresholds, or why it cannot judge."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from torch import Tensor

from contract.config import Line
from contract.errors import FlawlineError, MemoryMismatch
from scorer.enrolment import line_text, require_size
from scorer.memory import ReferenceMemory
from scorer.shelf import Manifest, Shelf
from scorer.verdicts import Thresholds
from scorer.winclip import WinClip

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LineState:
    """One line as the scorer judges it now. `problem` set: its frames become UNSCORED(problem)."""

    line: Line
    text: Tensor
    memory: ReferenceMemory | None = None
    memory_version: str | None = None
    thresholds: Thresholds | None = None
    problem: str | None = None


class Lines(Mapping[str, LineState]):
    """The states of all lines, following the active memory of each on disk.

    Args:
        lines: the configured lines.
        model: prototypes and fingerprints come from it.
        shelf: where reference memories stand.

    Raises:
        ConfigError: a line's inspection size is not the model's input.
    """

    def __init__(self, lines: tuple[Line, ...], model: WinClip, shelf: Shelf) -> None:
        self._model = model
        self._shelf = shelf
        self._states: dict[str, LineState] = {}
        self._loaded: dict[str, str | None] = {}
        for line in lines:
            require_size(model, line)
            self._states[line.name] = LineState(line, line_text(model, line))
            self._loaded[line.name] = None
            self._load(line.name, None)
        self.reload()

    def __getitem__(self, name: str) -> LineState:
        return self._states[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._states)

    def __len__(self) -> int:
        return len(self._states)

    def reload(self) -> None:
        """Follow the active pointers; a memory that cannot be used leaves the one in use alone.

        A line that has none in use is then UNSCORED, and the reason is logged.
        """
        for name in self._states:
            try:
                active = self._shelf.active(name)
                if active != self._loaded[name]:
                    self._loaded[name] = active
                    self._load(name, active)
            except FlawlineError as error:
                log.error("line %s: %s", name, error)
                if self._states[name].memory is None:
                    problem = (
                        "memory_mismatch" if isinstance(error, MemoryMismatch) else "memory_damaged"
                    )
                    self._replace(name, problem=problem)

    def fetch(self, name: str, version: str) -> tuple[ReferenceMemory, Manifest]:
        """A memory that line `name` can use.

        Raises:
            StorageError: missing or damaged.
            MemoryMismatch: made with another model, preset, size or region.
        """
        memory, manifest = self._shelf.load(name, version)
        memory.require(self._model.fingerprint)
        manifest.require(self._states[name].line, language_weight=self._model.language_weight)
        if manifest.num_references < 1:
            raise MemoryMismatch(f"reference memory {version} is empty", "enroll the line again")
        return memory, manifest

    def _load(self, name: str, version: str | None) -> None:
        line = self._states[name].line
        if version is None:
            alone = line.zero_shot_threshold
            self._replace(
                name,
                thresholds=None if alone is None else Thresholds(alone),
                problem="no_reference" if alone is None else None,
            )
            return
        memory, manifest = self.fetch(name, version)
        fail = manifest.fail_threshold if line.fail_threshold is None else line.fail_threshold
        self._replace(
            name,
            memory=self._model.adopt(memory),
            version=version,
            thresholds=Thresholds(fail, line.review_threshold),
        )
        log.info("line %s: reference memory %s is active", name, version)

    def _replace(
        self,
        name: str,
        *,
        memory: ReferenceMemory | None = None,
        version: str | None = None,
        thresholds: Thresholds | None = None,
        problem: str | None = None,
    ) -> None:
        old = self._states[name]
        self._states[name] = LineState(old.line, old.text, memory, version, thresholds, problem)
