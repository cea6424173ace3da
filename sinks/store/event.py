"""The record of one verdict: a row of the store, and the data of a webhook's CloudEvent."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from types import MappingProxyType, NoneType
from typing import Annotated, Any, Final, NamedTuple, TypeGuard, get_args
from uuid import UUID

from pydantic import Field
from pydantic.fields import FieldInfo

from contract.clock import NS_PER_MS
from contract.messages import Nanoseconds, StreamKey, Tolerant, VerdictRecord
from contract.telling import Telling


class Event(VerdictRecord):
    """What became of one admitted frame, and what the sinks know of it.

    Attributes:
        event_id: the same for every delivery and retry of this frame's verdict.
        arrived_ns: when the sinks got it.
        plc: what the PLC of the line was told of it; None: the line has none, or the verdict came
            from a version that did not note it.
        evidence: the picture's path below the evidence folder, if one came. The file may be
            gone by its age, or missing because the disk was full.
    """

    event_id: Annotated[str, Field(max_length=36)]
    arrived_ns: Nanoseconds
    plc: Telling | None = None
    evidence: Annotated[str, Field(max_length=400)] | None

    @classmethod
    def of(
        cls,
        verdict: VerdictRecord,
        *,
        arrived_ns: int,
        evidence: str | None,
        plc: Telling | None = None,
    ) -> Event:
        """The record of `verdict`."""
        return cls(
            **{name: getattr(verdict, name) for name in VerdictRecord.model_fields},
            event_id=event_id(verdict.stream, verdict.frame_id, verdict.times.captured_ns),
            arrived_ns=arrived_ns,
            plc=plc,
            evidence=evidence,
        )

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> Event:
        """The record in a row of table `events`."""
        nested: dict[str, Any] = {}
        for name, place in PLACES.items():
            if place.section is None:
                nested[place.field] = row[name]
            elif row[name] is not None:
                nested.setdefault(place.section, {})[place.field] = row[name]
        return cls.model_validate(nested)

    def row(self) -> dict[str, Any]:
        """Flat: what table `events` and the receivers of webhooks get."""
        fields = self.model_dump(mode="json")
        return {
            name: fields[place.field]
            if place.section is None
            else (fields[place.section] or {}).get(place.field)
            for name, place in PLACES.items()
        }


class Place(NamedTuple):
    """Where a column's value stands in an event.

    Attributes:
        section: None for a field of the event itself.
        optional: the whole section may be missing.
    """

    section: str | None
    field: str
    info: FieldInfo
    optional: bool = False


# Their fields have names of their own; those of other sections get the section's before them.
_PLAIN: Final = frozenset({"times", "provenance"})


def _places() -> dict[str, Place]:
    places = {}
    for name, info in Event.model_fields.items():
        section = next(
            (each for each in (info.annotation, *get_args(info.annotation)) if _is_section(each)),
            None,
        )
        if section is None:
            places[name] = Place(None, name, info)
            continue
        for field, inner in section.model_fields.items():
            places[field if name in _PLAIN else f"{name}_{field}"] = Place(
                name, field, inner, optional=NoneType in get_args(info.annotation)
            )
    return places


def _is_section(kind: object) -> TypeGuard[type[Tolerant]]:
    return isinstance(kind, type) and issubclass(kind, Tolerant)


PLACES: Final[Mapping[str, Place]] = MappingProxyType(_places())
"""The columns of table `events`, derived from the fields of an event."""


def event_id(stream: StreamKey, frame_id: int, captured_ns: int) -> str:
    """A UUIDv7 (RFC 9562) of one frame: capture time in ms, then a digest of its identity.

    The digest stands where the standard allows random bits, so a verdict that is delivered again
    after a crash keeps its id and a receiver can tell the repetition.
    """
    digest = hashlib.sha256(f"{stream} {frame_id}".encode()).digest()
    tail = int.from_bytes(digest[:10], "big")
    value = (captured_ns // NS_PER_MS & (1 << 48) - 1) << 80 | tail
    value = value & ~(0xF << 76) | 7 << 76
    value = value & ~(0b11 << 62) | 0b10 << 62
    return str(UUID(int=value))
