"""What commands tell as JSON; an interface for programs tells the same by the same models."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from contract.messages import Outcome, ShadowReport
from contract.telling import Told

Severity = Literal["error", "warning", "unchecked"]


class Document(BaseModel):
    """Base of all documents: immutable, and complete."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ConfigFinding(Document):
    """Something that was noticed in a configuration, and where."""

    severity: Severity = Field(description="unchecked: could not be looked at on this host")
    file: str = Field(description="the configuration file")
    line: int | None = Field(None, description="line in the file, from 1; empty: the whole file")
    key: str = Field("", description="the key there, e.g. lines[0].mask; empty: the whole file")
    text: str = Field(description="what is wrong, and what would be right")

    def __str__(self) -> str:
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        return ": ".join(part for part in (where, self.key, self.text) if part)


class Probed(Document):
    """What one camera, PLC, receiver, model or folder said when it was tried."""

    key: str = Field(description="its key in the configuration")
    name: str = Field(description="what it is, e.g. camera left")
    ok: bool
    text: str = Field(description="what was found, or what went wrong")
    seconds: float | None = Field(description="how long it took; empty: it failed")


class CheckDocument(Document):
    """`flawline config check --json`."""

    file: str
    ok: bool = Field(description="no error was found")
    findings: tuple[ConfigFinding, ...]
    probed: tuple[Probed, ...] = Field((), description="with --probe: each thing that was tried")


class BookDocument(Document):
    """One run of one camera: what was taken in and what became of it."""

    station: str
    line: str
    camera: str
    epoch: int = Field(description="start of the run, wall clock in ms; with the camera its name")
    closed: bool = Field(description="the run ended and every frame has its outcome")
    decoded: int = Field(description="frames that the camera gave")
    admitted: int = Field(description="frames taken in for inspection")
    outcomes: dict[Outcome, int] = Field(description="frames per outcome")
    unscored: dict[str, int] = Field(description="UNSCORED frames per reason")
    open: int = Field(description="admitted frames without an outcome yet")
    balanced: bool = Field(description="every admitted frame has its outcome")
    kept: bool = Field(description="open, and sinks run that keep it: frames may be in flight")
    rows_agree: bool = Field(description="counting the stored rows again gives the same")
    told: dict[Told, int] = Field(
        {}, description="frames per what the PLC was told of them; empty: the line has none"
    )
    told_otherwise: int = Field(
        0, description="frames of which the PLC was told what the book does not say"
    )


class LedgerDocument(Document):
    """`flawline ledger --json`."""

    balanced: bool = Field(description="every book is sound: what the exit code says")
    in_flight: int = Field(description="admitted frames without an outcome yet")
    books: tuple[BookDocument, ...]


class VersionDocument(Document):
    """One version of a line's reference memory."""

    version: str
    role: Literal["active", "shadow"] | None = Field(None, description="what it is in use for")
    created_ns: int
    created_by: str
    num_references: int
    fail_threshold: float
    review_threshold: float | None
    threshold_method: str
    calibrated: bool = Field(description="its thresholds keep a promise about false rejects")
    model: str
    weights_sha256: str


class ChangeDocument(Document):
    """One change of which version is in use, as the line's history has it."""

    action: str = Field(description="activate, shadow, unshadow, promote, rollback or remove")
    version: str
    changed_ns: int
    changed_by: str


class MemoriesDocument(Document):
    """`flawline memory list --json`."""

    line: str
    active: str | None
    shadow: str | None
    versions: tuple[VersionDocument, ...] = Field(description="the oldest first")
    history: tuple[ChangeDocument, ...] = Field((), description="with --history; the oldest first")
    shadow_report: ShadowReport | None = Field(
        None, description="what the shadow would have said, if a scorer runs"
    )


class ModelDocument(Document):
    """A model that Flawline can use."""

    name: str
    pretrained: str | None = Field(None, description="tag of its published weights")
    about: str = ""


class ModelsDocument(Document):
    """`flawline models list --json`."""

    models: tuple[ModelDocument, ...]


class VerifiedDocument(Document):
    """`flawline models verify --json`."""

    name: str
    weights_sha256: str
    tokens_per_image: int
