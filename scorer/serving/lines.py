"""What the scorer knows of each line: words, active memory, thresholds, or why it cannot judge."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from torch import Tensor

from contract.backoff import BackOff
from contract.clock import Clock
from contract.config import Line
from contract.errors import FlawlineError, MemoryMismatch, StorageError
from contract.reasons import Reason
from scorer.references.conformal import Calibration
from scorer.references.line import line_text, line_tiling
from scorer.references.manifest import mask_sha256
from scorer.references.pointers import Role
from scorer.references.shelf import Shelf
from scorer.scoring.memory import ReferenceMemory
from scorer.scoring.winclip import WinClip
from scorer.serving.verdicts import Thresholds
from scorer.windows.backbone import Needs
from scorer.windows.tiling import Tiling

RETRY_S = 10.0
MAX_RETRY_S = 300.0
UNREADABLE = ""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class MemoryInUse:
    """A reference memory and the thresholds that go with it.

    Comparing a frame with it takes as long as `num_tokens` of the transformer.
    """

    memory: ReferenceMemory
    version: str
    thresholds: Thresholds
    num_tokens: int = 0
    calibration: Calibration | None = None


@dataclass(frozen=True)
class LineState:
    """One line as the scorer judges it now. `problem` set: its frames become UNSCORED(problem).

    Without an `active` memory the line is judged by words alone, if it has `zero_shot` thresholds.
    A `shadow` judges beside it, without a say. `mask_sha256` is of the mask that `tiling` was made
    with. `needs` is what the scores are made of (None: all), `look_tokens` what that costs a frame.
    """

    line: Line
    text: Tensor
    tiling: Tiling
    active: MemoryInUse | None = None
    shadow: MemoryInUse | None = None
    zero_shot: Thresholds | None = None
    problem: Reason | None = None
    mask_sha256: str | None = None
    needs: Needs | None = None
    look_tokens: int | None = None

    @property
    def num_tokens(self) -> int:
        """What a frame costs at most, in tokens of the transformer."""
        memories = [memory for memory in (self.active, self.shadow) if memory is not None]
        look = self.tiling.num_tokens if self.look_tokens is None else self.look_tokens
        return look + sum(memory.num_tokens for memory in memories)

    @property
    def memory(self) -> ReferenceMemory | None:
        return None if self.active is None else self.active.memory

    @property
    def memory_version(self) -> str | None:
        return None if self.active is None else self.active.version

    @property
    def calibration(self) -> Calibration | None:
        return None if self.active is None else self.active.calibration

    @property
    def thresholds(self) -> Thresholds | None:
        return self.zero_shot if self.active is None else self.active.thresholds


class Lines(Mapping[str, LineState]):
    """The states of all lines, following the pointers to their memories on disk.

    Args:
        lines: the configured lines.
        model: prototypes and fingerprints come from it.
        shelf: where reference memories stand.
        clock: for trying damaged ones again.

    Raises:
        ConfigError: a line's inspection size or mask does not fit the model.
    """

    def __init__(self, lines: tuple[Line, ...], model: WinClip, shelf: Shelf, clock: Clock) -> None:
        self._model = model
        self._shelf = shelf
        self._states: dict[str, LineState] = {}
        self._loaded: dict[tuple[str, Role], str | None] = {}
        self._clock = clock
        self._retry_at_s: dict[tuple[str, Role], float] = {}
        self._back_offs: dict[tuple[str, Role], BackOff] = {}
        for line in lines:
            alone = line.zero_shot_threshold
            self._states[line.name] = LineState(
                line,
                line_text(model, line),
                line_tiling(model, line),
                mask_sha256=mask_sha256(line),
                zero_shot=None if alone is None else Thresholds(alone),
            )
            self._enter(line.name, "active", None)
        self.reload()

    def __getitem__(self, name: str) -> LineState:
        return self._states[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._states)

    def __len__(self) -> int:
        return len(self._states)

    def reload(self) -> None:
        """Follow the pointers; a memory that cannot be used leaves the one in use alone.

        A line that has none in use is then UNSCORED, and the reason is logged.
        """
        for name in self._states:
            self._follow(name, "active", self._shelf.active)
            self._follow(name, "shadow", self._shelf.shadowing)

    def fetch(self, name: str, version: str) -> MemoryInUse:
        """A memory that line `name` can use, and its thresholds.

        Raises:
            StorageError: missing or damaged.
            MemoryMismatch: made with another model, preset, size, tiling, mask or region.
        """
        state = self._states[name]
        try:
            memory, manifest = self._shelf.load(name, version)
            adopted = self._model.adopt(memory)
        except (RuntimeError, MemoryError) as error:
            raise StorageError(
                f"reference memory {version} does not fit {self._model.backbone.device} "
                f"({type(error).__name__})",
                "free memory there, or enroll fewer references",
            ) from None
        memory.require(self._model.fingerprint, num_tiles=state.tiling.num_tiles)
        manifest.require(
            state.line,
            language_weight=self._model.language_weight,
            mask_sha256=state.mask_sha256,
        )
        fixed = state.line.fail_threshold
        doubt = manifest.doubt(self._model.backbone.dtype)
        if fixed is None and doubt is not None:
            log.warning("line %s: %s", name, doubt)
        fail = manifest.fail_threshold if fixed is None else fixed
        review = state.line.review_threshold
        if review is None and fixed is None:
            review = manifest.review_threshold
        if review is not None and not review < fail:
            log.warning(
                "line %s: REVIEW would begin at %.4f, FAIL at %.4f: no REVIEW", name, review, fail
            )
        thresholds = Thresholds(fail, review)
        num_tokens = self._model.comparison_tokens(memory)
        return MemoryInUse(adopted, version, thresholds, num_tokens, manifest.calibration)

    def use(self, name: str, role: Role, memory: MemoryInUse) -> None:
        """Take a fetched memory whose pointer was just written, without reading it again."""
        self._loaded[name, role] = memory.version
        self._recovered(name, role)
        self._enter(name, role, memory)

    def _enter(self, name: str, role: Role, memory: MemoryInUse | None) -> None:
        """From now on line `name` has this memory in this role."""
        state = _with(self._states[name], role, memory)
        needs = self._model.needs(text=state.text, memory=state.memory)
        if state.shadow is not None:
            needs |= self._model.needs(text=state.text, memory=state.shadow.memory)
        look_tokens = self._model.backbone.num_tokens(state.tiling, needs)
        self._states[name] = replace(state, needs=needs, look_tokens=look_tokens)

    def _follow(self, name: str, role: Role, pointer: Callable[[str], str | None]) -> None:
        state = self._states[name]
        again = self._retry(name, role)
        unreadable: FlawlineError | None = None
        try:
            version = pointer(name)
        except FlawlineError as error:
            version, unreadable = UNREADABLE, error
        if version == self._loaded.get((name, role)) and not again:
            return
        if UNREADABLE not in (version, self._loaded.get((name, role))) and not again:
            self._recovered(name, role)
        self._loaded[name, role] = version
        try:
            if unreadable is not None:
                raise unreadable
            memory = None if version is None else self.fetch(name, version)
        except FlawlineError as error:
            log.error("line %s: %s memory: %s", name, role, error)
            if isinstance(error, StorageError):
                self._retry_later(name, role)
            if role == "active" and state.active is None:
                damaged = not isinstance(error, MemoryMismatch)
                problem = Reason.MEMORY_DAMAGED if damaged else Reason.MEMORY_MISMATCH
                self._states[name] = replace(state, problem=problem)
            return
        self._recovered(name, role)
        self._enter(name, role, memory)
        log.info("line %s: reference memory %s is %s", name, version or "none", role)

    def _retry_later(self, name: str, role: Role) -> None:
        """A memory that could not be read is tried again, less and less often."""
        back_off = self._back_offs.setdefault(
            (name, role),
            BackOff(self._clock, forgiven_after_s=math.inf, first_s=RETRY_S, max_s=MAX_RETRY_S),
        )
        self._retry_at_s[name, role] = self._clock.monotonic_s() + back_off.failed()

    def _recovered(self, name: str, role: Role) -> None:
        self._back_offs.pop((name, role), None)
        self._retry_at_s.pop((name, role), None)

    def _retry(self, name: str, role: Role) -> bool:
        """Whether a memory that could not be read, a while ago, is to be read again."""
        at_s = self._retry_at_s.get((name, role))
        if at_s is None or self._clock.monotonic_s() < at_s:
            return False
        del self._retry_at_s[name, role]
        return True


def _with(state: LineState, role: Role, memory: MemoryInUse | None) -> LineState:
    if role == "shadow":
        return replace(state, shadow=memory)
    unable = memory is None and state.zero_shot is None
    return replace(state, active=memory, problem=Reason.NO_REFERENCE if unable else None)
