"""What a webhook sends: a CloudEvent with an id that stays the same for every try."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from cloudevents.core.v1.event import CloudEvent

from contract.clock import NS_PER_S
from contract.messages import CameraMessage, ProcessMessage
from sinks.store.event import Event

VERDICT_TYPE: Final = "flawline.verdict"
DRIFT_TYPE: Final = "flawline.drift"
RESTART_TYPE: Final = "flawline.restart"


class Notice(NamedTuple):
    """One event to be sent.

    Attributes:
        id: the same for every retry.
        type: what it is sent for.
        place: station and line and camera, or station and process.
    """

    id: str
    type: str
    place: tuple[str, ...]
    subject: str
    time_ns: int
    data: Mapping[str, Any]

    @classmethod
    def of_verdict(cls, event: Event, type_: str) -> Notice:
        """A verdict; one that raised an alarm is told as both."""
        return cls(
            event.event_id if type_ == VERDICT_TYPE else f"{event.event_id}-drift",
            type_,
            (event.station, event.line, event.camera),
            f"{event.epoch}/{event.frame_id}",
            event.times.captured_ns,
            event.row(),
        )

    @classmethod
    def of_restart(cls, message: ProcessMessage | CameraMessage) -> Notice:
        """The supervisor started a process again; `restarts` are its totals."""
        process = message.process
        data = {
            "station": message.station,
            "process": process,
            "restarts": message.process_restarts,
        }
        return cls(
            f"{message.station}-{process.replace(' ', '-')}-restart-{message.sent_ns}",
            RESTART_TYPE,
            (message.station, process.replace(" ", "/")),
            process,
            message.sent_ns,
            data,
        )

    def cloud_event(self) -> CloudEvent:
        """As it goes out."""
        return CloudEvent(
            {
                "id": self.id,
                "source": "/".join(("/flawline", *self.place)),
                "type": self.type,
                "subject": self.subject,
                "time": utc(self.time_ns),
                "datacontenttype": "application/json",
            },
            dict(self.data),
        )


class RestartWatch:
    """Finds the heartbeats that are the first after a restart.

    What was restarted before these sinks began is old news, but for the sinks' own restart.
    """

    def __init__(self) -> None:
        self._known: dict[str, int] = {"sinks": 0}

    def is_news(self, message: ProcessMessage | CameraMessage) -> bool:
        """Whether `message` tells of a restart that no earlier one told of."""
        if message.process_restarts is None:
            return False
        process, total = message.process, sum(message.process_restarts.values())
        before, self._known[process] = self._known.get(process, total), total
        return total > before


def utc(ns: int) -> datetime:
    return datetime.fromtimestamp(ns / NS_PER_S, UTC)
