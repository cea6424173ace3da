"""The part of the configuration that the supervisor (`flawline run`) reads."""

from __future__ import annotations

from pydantic import Field

from contract.section import Section

_HUNG = "seconds without a sign of the main loop of {}, after which it is killed and started again"


class SupervisorSettings(Section):
    """When a process counts as hung."""

    ingest_hung_after_s: float = Field(
        10.0,
        ge=2,
        le=3600,
        description=_HUNG.format("an ingest process (it turns twenty times a second)"),
    )
    scorer_hung_after_s: float = Field(
        60.0,
        ge=2,
        le=3600,
        description=_HUNG.format("the scorer (it turns once per batch)")
        + "; longer than its longest batch",
    )
    sinks_hung_after_s: float = Field(
        10.0,
        ge=2,
        le=3600,
        description=_HUNG.format("the sinks (it turns a hundred times a second)"),
    )
