"""The tables of the event store. `store/migrations` makes them; a test compares the two."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

from annotated_types import MaxLen
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
from sqlalchemy.types import TypeEngine

from contract.messages import Outcome, StreamKey
from sinks.store.event import PLACES

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


def _columns_of_events() -> list[Column[Any]]:
    """One for each field of an event: what may be None there may be NULL here."""
    return [
        Column(
            name,
            _type(place.info.annotation, place.info.metadata),
            primary_key=name == "event_id",
            nullable=NoneType in get_args(place.info.annotation) or place.optional,
        )
        for name, place in PLACES.items()
    ]


def _type(annotation: object, metadata: Sequence[object]) -> TypeEngine[Any]:
    """The column type of a field."""
    if get_origin(annotation) is Annotated:
        inner, *more = get_args(annotation)
        return _type(inner, [*metadata, *more])
    if NoneType in get_args(annotation):
        (kind,) = (each for each in get_args(annotation) if each is not NoneType)
        return _type(kind, metadata)
    if get_origin(annotation) is Literal:
        return String(10)
    if annotation in (int, float):
        return BigInteger() if annotation is int else Double()
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return String(16)
    return String(_max_length(metadata))


def _max_length(metadata: Sequence[object]) -> int:
    """The bound of a text; every text that is stored has one."""
    flat = [part for each in metadata for part in getattr(each, "metadata", [each])]
    return min(part.max_length for part in flat if isinstance(part, MaxLen))


EVENTS = Table(
    "events",
    METADATA,
    *_columns_of_events(),
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
    Column("told", JSON, nullable=False, server_default="{}"),
    Column("told_otherwise", BigInteger, nullable=False, server_default="0"),
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
