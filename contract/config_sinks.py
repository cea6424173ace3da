"""The part of the configuration that the sinks read."""

from __future__ import annotations

from itertools import combinations
from typing import Final, Literal

from pydantic import Field

from contract.messages import Name
from contract.section import Host, HttpUrl, Port, ResolvedPath, Section

MODBUS_WORDS: Final = 12


class EvidenceSettings(Section):
    """Pictures that show why: the crop and its heatmap, as JPEG."""

    directory: ResolvedPath | None = Field(None, description="empty: DATA/heatmaps")
    max_age_days: float = Field(30.0, gt=0, le=36500, description="older pictures are deleted")
    max_bytes: int = Field(10 << 30, ge=1 << 20, description="oldest pictures go beyond this")
    jpeg_quality: int = Field(88, ge=30, le=100, description="JPEG quality of the overlay")


class WebhookSettings(Section):
    """An HTTP receiver of verdict events (CloudEvents JSON)."""

    name: Name = Field(description="unique in the station")
    url: HttpUrl = Field(description="receives one POST per event")
    secret_env: str | None = Field(
        None, description="environment variable with the signing secret (whsec_...)"
    )
    outcomes: tuple[Literal["PASS", "FAIL", "REVIEW", "INVALID", "LATE", "UNSCORED"], ...] = Field(
        ("FAIL", "REVIEW"),
        min_length=1,
        description="outcomes that are sent; frames dropped before the scorer have no event",
    )
    timeout_s: float = Field(3.0, gt=0, le=60, description="time for one try")
    max_attempts: int = Field(8, ge=1, le=100, description="tries before the event is dropped")
    queue_size: int = Field(1000, ge=1, le=1_000_000, description="events waiting in memory")


class Modbus(Section):
    """A PLC that is written to by Modbus TCP (register block: `sinks/plc/registers.py`)."""

    name: Name = Field(description="unique in the station")
    line: Name = Field(description="the line whose verdicts go here")
    host: Host = Field(description="host name or address of the PLC")
    port: Port = Field(502, description="TCP port of the PLC")
    device_id: int = Field(1, ge=0, le=255, description="Modbus device (unit) id")
    base_register: int = Field(0, ge=0, le=65000, description="first holding register")
    heartbeat_s: float = Field(0.15, ge=0.05, le=2, description="period of the heartbeat counter")
    hold_s: float = Field(
        0.05,
        ge=0,
        le=2,
        description="a result stands at least this long (two PLC scans), later ones merge into the "
        "next; PASS of merged results means that all of them passed",
    )
    timeout_s: float = Field(0.5, gt=0, le=10, description="time to connect or to answer")
    fault_after_late: int = Field(3, ge=1, le=1000, description="late results in a row: fault")
    silence_s: float = Field(
        2.0, gt=0, le=600, description="no fresh frame or scorer heartbeat for this long: fault"
    )
    guard: bool = Field(
        True,
        description="a second connection, of another process, clears a result that stands although "
        "the sinks are gone; false: the PLC takes one connection only, its own watchdog must act",
    )


class MetricsSettings(Section):
    """The Prometheus exporter of the sinks process."""

    host: Host = Field("127.0.0.1", description="address to listen on")
    port: Port = Field(9464, description="0 takes a free port and logs it")


class Sinks(Section):
    """The process that keeps the book and tells the world."""

    store_url: str | None = Field(
        None, description="SQLAlchemy URL of the event store; empty: DATA/events.db (SQLite)"
    )
    lost_after_s: float = Field(
        10.0,
        ge=0.5,
        le=3600,
        description="an admitted frame becomes UNSCORED(lost) this long after later frames had "
        "their outcomes, or after its stream fell silent",
    )
    event_max_age_days: float = Field(365.0, gt=0, le=36500, description="older events go")
    queue_size: int = Field(1024, ge=8, le=1_000_000, description="verdicts waiting to be stored")
    evidence: EvidenceSettings = Field(
        default_factory=lambda: EvidenceSettings.model_validate({}),
        description="pictures of verdicts",
    )
    metrics: MetricsSettings = Field(
        default_factory=lambda: MetricsSettings.model_validate({}),
        description="Prometheus exporter",
    )
    webhooks: tuple[WebhookSettings, ...] = Field((), description="receivers of events over HTTP")
    modbus: tuple[Modbus, ...] = Field((), description="PLCs that are written to")


def require_apart(outputs: tuple[Modbus, ...]) -> None:
    """Refuse two outputs that write the same registers of one PLC.

    Raises:
        ValueError: naming both.
    """
    for first, second in combinations(outputs, 2):
        places = {(plc.host, plc.port, plc.device_id) for plc in (first, second)}
        if len(places) == 1 and abs(first.base_register - second.base_register) < MODBUS_WORDS:
            raise ValueError(
                f"modbus outputs {first.name} and {second.name} overlap: their base_register must "
                f"be {MODBUS_WORDS} apart"
            )
