"""The tables of the event store. `sinks/migrations` makes them; a test compares the two."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Double,
    FromClause,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    UniqueConstraint,
    and_,
)

from contract.messages import Outcome, StreamKey

METADATA = MetaData()


def count_column(outcome: Outcome) -> str:
    """The ledger column that counts `outcome`."""
    return f"num_{outcome.value.lower()}"


def _stream() -> list[Column[str] | Column[int]]:
    return [
        Column("station", String(64), nullable=False),
        Column("line", String(64), nullable=False),
        Column("camera", String(64), nullable=False),
        Column("epoch", BigInteger, nullable=False),
    ]


EVENTS = Table(
    "events",
    METADATA,
    Column("event_id", String(36), primary_key=True),
    *_stream(),
    Column("frame_id", BigInteger, nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("reason", String(40)),
    Column("anomaly_score", Double),
    Column("fail_threshold", Double),
    Column("review_threshold", Double),
    Column("captured_ns", BigInteger, nullable=False),
    Column("decoded_ns", BigInteger, nullable=False),
    Column("received_ns", BigInteger, nullable=False),
    Column("scored_ns", BigInteger),
    Column("emitted_ns", BigInteger, nullable=False),
    Column("arrived_ns", BigInteger, nullable=False),
    Column("deadline_ns", BigInteger),
    Column("source_pts_ns", BigInteger),
    Column("memory_version", String(80)),
    Column("model", String(120)),
    Column("weights_sha256", String(64)),
    Column("preset", String(40)),
    Column("evidence", String(400)),
    Column("p_value", Double),
    Column("drift_evidence", Double),
    Column("drift_alarm", String(10)),
    UniqueConstraint("station", "line", "camera", "epoch", "frame_id", name="events_frame"),
    Index("events_captured", "captured_ns", "event_id"),
)

DROPS = Table(
    "drops",
    METADATA,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    *_stream(),
    Column("first_frame_id", BigInteger, nullable=False),
    Column("last_frame_id", BigInteger, nullable=False),
    Column("reason", String(40), nullable=False),
    Column("noted_ns", BigInteger, nullable=False),
    Index("drops_stream", "station", "line", "camera", "epoch", "first_frame_id"),
    Index("drops_noted", "noted_ns"),
)

LEDGER = Table(
    "ledger",
    METADATA,
    *_stream(),
    Column("state", String(8), nullable=False),
    Column("ended", Boolean, nullable=False),
    Column("decoded", BigInteger, nullable=False),
    Column("admitted", BigInteger, nullable=False),
    *[Column(count_column(outcome), BigInteger, nullable=False) for outcome in Outcome],
    Column("unscored_reasons", JSON, nullable=False),
    Column("settled", JSON, nullable=False),
    Column("pruned", JSON, nullable=False),
    Column("opened_ns", BigInteger, nullable=False),
    Column("closed_ns", BigInteger),
    Column("updated_ns", BigInteger, nullable=False),
    PrimaryKeyConstraint("station", "line", "camera", "epoch", name="ledger_stream"),
    Index("ledger_state", "state"),
)


def is_stream(table: FromClause, stream: StreamKey) -> ColumnElement[bool]:
    """The condition that a row of `table` belongs to `stream`."""
    return and_(*(table.c[name] == value for name, value in stream._asdict().items()))
