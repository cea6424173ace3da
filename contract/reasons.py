"""Every reason that a person or a machine is given, with what it means and what to do.

What goes over the wire, into the store and into metric labels is the value of a member; screens,
reports and documentation take the sentences from here, the PLC its code. A value that was given
out once keeps its meaning: retire it, never use it for something else.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

from contract.messages import Outcome


class Fault(IntEnum):
    """What the PLC reads when there is no result: below 10 the service, from 10 on one result."""

    NONE = 0
    STARTING = 1
    CAMERA = 2
    SCORER = 3
    OVERDUE = 4
    LATE = 5
    ENDED = 6
    STOPPED = 7
    SINKS = 8
    CLOCK = 9
    RESULT_INVALID = 10
    RESULT_LATE = 11
    RESULT_UNSCORED = 12
    RESULT_WITHHELD = 13


class FaultMeaning(NamedTuple):
    """What a fault code means to the person at the machine.

    Attributes:
        text: a sentence without its full stop.
        remedy: what to do.
        raises_fault: whether the FAULT bit is set: somebody has to come.
    """

    text: str
    remedy: str
    raises_fault: bool


FAULTS: Final[Mapping[Fault, FaultMeaning]] = MappingProxyType(
    {
        Fault.NONE: FaultMeaning("nothing wrong", "nothing", False),
        Fault.STARTING: FaultMeaning(
            "not all cameras and the scorer were heard of yet", "wait for the start to end", False
        ),
        Fault.CAMERA: FaultMeaning(
            "a camera of the line gives no fresh frames",
            "look at its power, cable and lens; `flawline run` says which camera",
            True,
        ),
        Fault.SCORER: FaultMeaning(
            "the scorer gives no sign of life, or is not ready",
            "look at the scorer's log; it is started again by itself",
            True,
        ),
        Fault.OVERDUE: FaultMeaning(
            "frames were admitted but no verdicts come",
            "look at the scorer's log and load",
            True,
        ),
        Fault.LATE: FaultMeaning(
            "several results in a row were of no use",
            "the machine is too slow or the deadline too short: fewer frames, or a faster machine",
            True,
        ),
        Fault.ENDED: FaultMeaning(
            "the line's files were played to their end", "start the station again", False
        ),
        Fault.STOPPED: FaultMeaning(
            "the sinks were stopped, or cannot go on",
            "start the station again; if it runs, its log says what is wrong",
            False,
        ),
        Fault.SINKS: FaultMeaning(
            "the sinks give no sign of life: their guard cleared the result",
            "look at the log of the sinks; they are started again by themselves",
            True,
        ),
        Fault.CLOCK: FaultMeaning(
            "clocks of the line's hosts disagree: no deadline can be trusted",
            "synchronise the hosts (PTP or NTP); the log of the sinks says which clock is off, and "
            "by how much",
            True,
        ),
        Fault.RESULT_INVALID: FaultMeaning(
            "this frame cannot be trusted", "reject the part; look at the camera if it stays", False
        ),
        Fault.RESULT_LATE: FaultMeaning(
            "this verdict came after its deadline",
            "reject the part; look at the load if it stays",
            False,
        ),
        Fault.RESULT_UNSCORED: FaultMeaning(
            "this frame was not scored", "reject the part; the ledger names the reason", False
        ),
        Fault.RESULT_WITHHELD: FaultMeaning(
            "this result came while the line had a fault, and was held back",
            "reject the part; the code before says what was wrong",
            False,
        ),
    }
)

RESULT_FAULTS: Final[Mapping[Outcome, Fault]] = MappingProxyType(
    {
        Outcome.INVALID: Fault.RESULT_INVALID,
        Outcome.LATE: Fault.RESULT_LATE,
        Outcome.UNSCORED: Fault.RESULT_UNSCORED,
    }
)


class Reason(StrEnum):
    """Why a frame ended without PASS, FAIL or REVIEW."""

    DECODE_ERROR = "decode_error"
    CORRUPT = "corrupt"
    SIZE_CHANGED = "size_changed"
    CLOCK = "clock"
    DEADLINE_MISSED = "deadline_missed"
    NOT_TOLD = "not_told"
    WITHHELD = "withheld"
    CLOCK_BEHIND = "clock_behind"
    NO_REFERENCE = "no_reference"
    NO_THRESHOLD = "no_threshold"
    MEMORY_DAMAGED = "memory_damaged"
    MEMORY_MISMATCH = "memory_mismatch"
    UNKNOWN_LINE = "unknown_line"
    UNKNOWN_CAMERA = "unknown_camera"
    WRONG_SIZE = "wrong_size"
    SCORER_ERROR = "scorer_error"
    SCORE_NOT_FINITE = "score_not_finite"
    OVERWRITTEN = "overwritten"
    NO_SCORER = "no_scorer"
    SHUTDOWN = "shutdown"
    LOST = "lost"
    UNKNOWN = "unknown"


class Meaning(NamedTuple):
    """What a reason means.

    Attributes:
        outcome: how the frame ended.
        decided_by: the process that says so.
        text: a sentence without its full stop.
        remedy: what to do.
    """

    outcome: Outcome
    decided_by: str
    text: str
    remedy: str


REASONS: Final[Mapping[Reason, Meaning]] = MappingProxyType(
    {
        Reason.DECODE_ERROR: Meaning(
            Outcome.INVALID,
            "ingest",
            "a packet of the stream could not be decoded; frames up to the next keyframe may be "
            "damaged",
            "look for lost packets: cable, switch, camera load; a shorter keyframe interval heals "
            "sooner",
        ),
        Reason.CORRUPT: Meaning(
            Outcome.INVALID,
            "ingest",
            "the decoder calls the frame damaged, or one that it is built on",
            "look for lost packets: cable, switch, camera load",
        ),
        Reason.SIZE_CHANGED: Meaning(
            Outcome.INVALID,
            "ingest",
            "the picture has another size than the first of this run",
            "set the camera's resolution back; after a wanted change start the camera again and "
            "enroll the line anew",
        ),
        Reason.CLOCK: Meaning(
            Outcome.INVALID,
            "scorer or sinks",
            "the clock of the camera's host or of the scorer's is ahead, so that nobody knows "
            "whether the deadline has passed",
            "synchronise the hosts (PTP or NTP); the log of the sinks says which clock is off, and "
            "by how much. If that host's clock was set while the station ran, stop and start its "
            "processes",
        ),
        Reason.DEADLINE_MISSED: Meaning(
            Outcome.LATE,
            "scorer or sinks",
            "the verdict could not be there before the line's deadline",
            "the scorer is slower than the cameras: lower fps, use a GPU, a smaller model or fewer "
            "tiles, or a longer deadline_s if the gate allows it",
        ),
        Reason.NOT_TOLD: Meaning(
            Outcome.LATE,
            "sinks",
            "the verdict was there in time, but the PLC could not be told before the deadline",
            "look at the PLC and its network; if it answers, results come faster than hold_s lets "
            "them through, or deadline_s is too short for it",
        ),
        Reason.WITHHELD: Meaning(
            Outcome.LATE,
            "sinks",
            "the verdict was there in time, but the line had a fault: the PLC was shown no result",
            "the PLC's fault code and the log say what was wrong: another camera, the scorer, or "
            "results that came too late before",
        ),
        Reason.CLOCK_BEHIND: Meaning(
            Outcome.LATE,
            "sinks",
            "the clock of the camera's host is behind, so that the deadline passed early",
            "synchronise the hosts (PTP or NTP); the log of the sinks says which clock is off, and "
            "by how much. If that host's clock was set while the station ran, stop and start its "
            "processes",
        ),
        Reason.NO_REFERENCE: Meaning(
            Outcome.UNSCORED,
            "scorer",
            "the line was never taught",
            "teach it: flawline enroll --line NAME --images FOLDER, or --from CAMERA",
        ),
        Reason.NO_THRESHOLD: Meaning(
            Outcome.UNSCORED,
            "scorer",
            "the line has neither a memory's threshold nor one of its own",
            "teach it: flawline enroll --line NAME, or set its zero_shot_threshold",
        ),
        Reason.MEMORY_DAMAGED: Meaning(
            Outcome.UNSCORED,
            "scorer",
            "the line's reference memory is missing or damaged",
            "flawline memory rollback --line NAME, restore it, or enroll the line again",
        ),
        Reason.MEMORY_MISMATCH: Meaning(
            Outcome.UNSCORED,
            "scorer",
            "the line's reference memory was made with another model, region, mask, size or words",
            "enroll the line again, or set back what changed; the scorer's log names it",
        ),
        Reason.UNKNOWN_LINE: Meaning(
            Outcome.UNSCORED,
            "scorer",
            "the scorer's configuration does not have this line",
            "give all processes the same configuration: flawline reload",
        ),
        Reason.UNKNOWN_CAMERA: Meaning(
            Outcome.UNSCORED,
            "scorer",
            "the scorer's configuration does not have this camera on this line",
            "give all processes the same configuration: flawline reload",
        ),
        Reason.WRONG_SIZE: Meaning(
            Outcome.UNSCORED,
            "scorer",
            "the crop has another size than the line's inspection_px",
            "give all processes the same configuration: flawline reload",
        ),
        Reason.SCORER_ERROR: Meaning(
            Outcome.UNSCORED,
            "scorer",
            "scoring failed; the scorer's log has the error",
            "look at the scorer's log: memory of the machine or GPU, damaged weights",
        ),
        Reason.SCORE_NOT_FINITE: Meaning(
            Outcome.UNSCORED,
            "scorer",
            "the score is no number",
            "flawline models verify; enroll the line again if the weights are sound",
        ),
        Reason.OVERWRITTEN: Meaning(
            Outcome.UNSCORED,
            "ingest",
            "a newer frame came while the scorer was busy, and took this one's place",
            "the scorer is slower than the cameras: lower fps, use a GPU, a smaller model or fewer "
            "tiles",
        ),
        Reason.NO_SCORER: Meaning(
            Outcome.UNSCORED,
            "ingest",
            "no scorer was connected, and a newer frame took this one's place",
            "start the scorer; look at its log if it does not stay up",
        ),
        Reason.SHUTDOWN: Meaning(
            Outcome.UNSCORED,
            "ingest or scorer",
            "the station was stopped before the frame's turn came",
            "nothing, if the stop was wanted",
        ),
        Reason.LOST: Meaning(
            Outcome.UNSCORED,
            "sinks",
            "nobody explained what became of the frame: a process ended in the middle of it",
            "look for restarts of ingest and scorer at that time",
        ),
        Reason.UNKNOWN: Meaning(
            Outcome.UNSCORED,
            "sinks",
            "the sender gave no reason",
            "all processes should be of one version",
        ),
    }
)


class DeliveryReason(StrEnum):
    """Why an output did not deliver a verdict, or had an error: labels of its counters."""

    QUEUE_FULL = "queue_full"
    ATTEMPTS = "attempts"
    STOPPED = "stopped"
    REFUSED = "refused"
    TIMEOUT = "timeout"
    CONNECTION = "connection"
    STATUS = "status"
    STORAGE = "storage"
    PRUNE = "prune"
    CLOCK = "clock"
    DISK = "disk"
    DISK_FULL = "disk_full"
    PICTURE = "picture"
    CRASHED = "crashed"


class DeliveryMeaning(NamedTuple):
    """What happened at an output, and what to do."""

    text: str
    remedy: str


DELIVERY_REASONS: Final[Mapping[DeliveryReason, DeliveryMeaning]] = MappingProxyType(
    {
        DeliveryReason.QUEUE_FULL: DeliveryMeaning(
            "the output is slower than the verdicts come; this one found no room",
            "look at the receiver and the network; nothing is missing in the store",
        ),
        DeliveryReason.ATTEMPTS: DeliveryMeaning(
            "the receiver was not reached in as many attempts as are configured",
            "look at the receiver; nothing is missing in the store",
        ),
        DeliveryReason.STOPPED: DeliveryMeaning(
            "the sinks were stopped before it could be sent, and it could not be kept for the next "
            "start",
            "look at the disk and at the receiver; nothing is missing in the store",
        ),
        DeliveryReason.REFUSED: DeliveryMeaning(
            "the other side answered that it does not take it",
            "look at its log: address, register block, permissions, signature",
        ),
        DeliveryReason.TIMEOUT: DeliveryMeaning(
            "no answer within timeout_s", "look at the receiver and the network"
        ),
        DeliveryReason.CONNECTION: DeliveryMeaning(
            "no connection", "look at the address, the receiver and the network"
        ),
        DeliveryReason.STATUS: DeliveryMeaning(
            "the receiver answered with an HTTP error", "look at the receiver's log"
        ),
        DeliveryReason.STORAGE: DeliveryMeaning(
            "the event store could not be written; verdicts wait and are not acknowledged",
            "look at the disk: space, permissions, the database",
        ),
        DeliveryReason.PRUNE: DeliveryMeaning(
            "old events could not be deleted", "look at the disk and the database"
        ),
        DeliveryReason.CLOCK: DeliveryMeaning(
            "the wall clock stepped, or stands far from when something was last stored: nothing is "
            "deleted by age until it has gone on evenly for a day",
            "look at this host's clock and its time service; after a long pause: nothing",
        ),
        DeliveryReason.DISK: DeliveryMeaning(
            "a picture, or a note of the journal, could not be written",
            "look at the disk: permissions, hardware",
        ),
        DeliveryReason.DISK_FULL: DeliveryMeaning(
            "a picture could not be written: the disk is full",
            "free space, or lower sinks.evidence.max_bytes",
        ),
        DeliveryReason.PICTURE: DeliveryMeaning(
            "a verdict's picture could not be drawn", "report it with the log"
        ),
        DeliveryReason.CRASHED: DeliveryMeaning(
            "the output failed and was started again", "report it with the log"
        ),
    }
)


class RefusalReason(StrEnum):
    """Why a connection to a port of Flawline was cut off: labels of its counter."""

    CROWDED = "crowded"
    SLOW = "slow"
    HANDSHAKE = "handshake"


REFUSAL_REASONS: Final[Mapping[RefusalReason, DeliveryMeaning]] = MappingProxyType(
    {
        RefusalReason.CROWDED: DeliveryMeaning(
            "too many connections were open; the host that had most of them lost one",
            "look who connects so often: a broken client, or an attack",
        ),
        RefusalReason.SLOW: DeliveryMeaning(
            "whoever connected to the metrics did not ask in time, or did not take the answer",
            "look who connects: a port scanner, a broken client, or an attack",
        ),
        RefusalReason.HANDSHAKE: DeliveryMeaning(
            "whoever connected to a channel over tcp has no key that opens it, or showed none in "
            "time",
            "a host of the station: does its role have a key in `accepted/` there? Else look who "
            "connects",
        ),
    }
)


class RestartReason(StrEnum):
    """Why the supervisor started a process again."""

    EXITED = "exited"
    HUNG = "hung"


class EndReason(StrEnum):
    """Why a stream has ended."""

    FINISHED = "finished"
    STOPPED = "stopped"
    FAILED = "failed"


OTHERWISE: Final = "look at the newest pictures and at the logs"
"""What to do about a reason that a newer version gave."""


def remedy(reason: str, *, line: str) -> str:
    """What to do about frames of `line` that ended for this reason, for people.

    >>> remedy("memory_damaged", line="cans").split(",")[0]
    'flawline memory rollback --line cans'
    """
    known = {str(each): each for each in Reason}.get(reason)
    return OTHERWISE if known is None else REASONS[known].remedy.replace("NAME", line)
