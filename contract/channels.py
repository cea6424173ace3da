"""The channel table: how processes are wired, as data.

A receiver reads from this table when silence means death (`silent_after_s`), and a sender what to
do when a queue is full (`when_full`). High-water marks are messages per connection.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

import zmq


class WhenFull(StrEnum):
    """What a sender does when the high-water mark is reached."""

    BLOCK = "block"
    COUNT_AND_DROP = "count and drop"
    NEWEST_WINS = "newest wins, overwritten frames are reported as drop ranges"
    HOLD_AND_RETRY = "hold in a bounded outbox until acknowledged"


@dataclass(frozen=True)
class Channel:
    """One kind of connection between processes.

    Attributes:
        connects: the roles whose keys open it.
        binds: the role whose key it shows.
    """

    name: str
    carries: str
    connects: tuple[str, ...]
    connect_type: int
    binds: str
    bind_type: int
    high_water_mark: int
    when_full: WhenFull
    max_message_bytes: int
    silent_after_s: float | None = None


_TABLE = (
    Channel(
        name="frames",
        carries="[frame header, pixels]",
        connects=("ingest",),
        connect_type=zmq.PUSH,
        binds="scorer",
        bind_type=zmq.PULL,
        high_water_mark=2,
        when_full=WhenFull.NEWEST_WINS,
        max_message_bytes=256 << 20,
    ),
    Channel(
        name="verdicts",
        carries="[verdict]; [ack] comes back",
        connects=("scorer",),
        connect_type=zmq.DEALER,
        binds="sinks",
        bind_type=zmq.ROUTER,
        high_water_mark=256,
        when_full=WhenFull.HOLD_AND_RETRY,
        max_message_bytes=1 << 20,
    ),
    Channel(
        name="evidence",
        carries="[evidence header, anomaly map, jpeg], once, beside the verdict",
        connects=("scorer",),
        connect_type=zmq.PUSH,
        binds="sinks",
        bind_type=zmq.PULL,
        high_water_mark=16,
        when_full=WhenFull.COUNT_AND_DROP,
        max_message_bytes=64 << 20,
    ),
    Channel(
        name="status",
        carries="[camera], [process], [drop] or [end of stream]",
        connects=("ingest", "scorer"),
        connect_type=zmq.PUSH,
        binds="sinks",
        bind_type=zmq.PULL,
        high_water_mark=1000,
        when_full=WhenFull.COUNT_AND_DROP,
        silent_after_s=2.0,
        max_message_bytes=1 << 20,
    ),
    Channel(
        name="control",
        carries="[request], [reply] comes back",
        connects=("flawline",),
        connect_type=zmq.REQ,
        binds="scorer",
        bind_type=zmq.REP,
        high_water_mark=10,
        when_full=WhenFull.BLOCK,
        max_message_bytes=1 << 20,
    ),
)

CHANNELS: Final = MappingProxyType({channel.name: channel for channel in _TABLE})
ROLES: Final = tuple(dict.fromkeys(r for c in _TABLE for r in (*c.connects, c.binds)))
"""Who has a key of its own: processes, and `flawline`, the command line."""
