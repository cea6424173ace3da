"""Why frames have no score, and why sinks drop or fail: a row per reason."""

from __future__ import annotations

from typing import Final, NamedTuple

from contract.messages import Outcome
from tools.docs.markdown import code, sentence, table


class Reason(NamedTuple):
    """A reason that a verdict or a drop carries.

    Attributes:
        sentence: what happened to the frame.
        remedy: what a person does about it.
    """

    name: str
    outcome: Outcome
    sentence: str
    remedy: str


class Trouble(NamedTuple):
    """A reason in `flawline_sink_dropped_total` or `flawline_sink_errors_total`."""

    sink: str
    counter: str
    name: str
    sentence: str
    remedy: str


REASONS: Final = (
    Reason(
        "decode_error",
        Outcome.INVALID,
        "a packet of the video could not be decoded; frames up to the next keyframe are not "
        "trusted",
        "look at the network between camera and host: losses, a full switch, Wi-Fi; shorten the "
        "camera's keyframe interval",
    ),
    Reason(
        "corrupt",
        Outcome.INVALID,
        "the decoder reports this picture, or one since the last keyframe, as damaged",
        "as for `decode_error`",
    ),
    Reason(
        "size_changed",
        Outcome.INVALID,
        "the picture has another size than the first one of this run",
        "set the camera's resolution back, or restart the station and check the region",
    ),
    Reason(
        "deadline_missed",
        Outcome.LATE,
        "the verdict came, or would have come, after the line's `deadline_s`",
        "see [Late](#late)",
    ),
    Reason(
        "overwritten",
        Outcome.UNSCORED,
        "a newer frame came while the scorer was busy; the newest frame wins",
        "see [Overwritten](#overwritten)",
    ),
    Reason(
        "no_scorer",
        Outcome.UNSCORED,
        "no scorer was connected when the frame was to be sent",
        "wait for its start (loading a model takes seconds to minutes); if it stays, see the "
        "scorer's log",
    ),
    Reason(
        "shutdown",
        Outcome.UNSCORED,
        "the station was stopped before the frame was scored",
        "nothing; a few at each stop are normal",
    ),
    Reason(
        "lost",
        Outcome.UNSCORED,
        "nobody said what became of the frame within `lost_after_s`: a process was killed with "
        "it in hand",
        "see which process restarted, and why, in the log; memory of the host",
    ),
    Reason(
        "no_reference",
        Outcome.UNSCORED,
        "the line was never taught and has no `zero_shot_threshold`",
        "`flawline enroll`, see [Teach a line](teach.md)",
    ),
    Reason(
        "memory_mismatch",
        Outcome.UNSCORED,
        "the line's reference memory was made with another model, preset, region, mask, tiling "
        "or words than the configuration has now",
        "undo the change of the configuration, or enroll the line again; the scorer's log names "
        "the difference",
    ),
    Reason(
        "memory_damaged",
        Outcome.UNSCORED,
        "the line's reference memory cannot be read",
        "`flawline memory rollback`, or restore `memories/` from the backup, or enroll again",
    ),
    Reason(
        "no_threshold",
        Outcome.UNSCORED,
        "the line has no threshold to judge by",
        "enroll and calibrate the line",
    ),
    Reason(
        "wrong_size",
        Outcome.UNSCORED,
        "the frame has another size than the line's `inspection_px`",
        "start all processes with the same configuration",
    ),
    Reason(
        "unknown_line",
        Outcome.UNSCORED,
        "the scorer's configuration does not have this line",
        "start all processes with the same configuration",
    ),
    Reason(
        "unknown_camera",
        Outcome.UNSCORED,
        "the scorer's configuration does not have this camera",
        "start all processes with the same configuration",
    ),
    Reason(
        "scorer_error",
        Outcome.UNSCORED,
        "scoring failed, for example for lack of memory",
        "the scorer's log has the error; many in a row restart the scorer by itself",
    ),
    Reason(
        "score_not_finite",
        Outcome.UNSCORED,
        "the model gave no number",
        "`flawline models verify`; try `dtype: float32`; if it stays, report it",
    ),
)

TROUBLES: Final = (
    Trouble(
        "any",
        "dropped",
        "queue_full",
        "its queue was full. For `record`: not lost, the scorer sends the verdict again",
        "find out why the sink is slow: disk, receiver",
    ),
    Trouble(
        "any",
        "errors",
        "crashed",
        "the sink's thread failed and was started again",
        "the log has the error; report it",
    ),
    Trouble(
        "record",
        "errors",
        "storage",
        "the event store cannot be written; it is tried again, nothing is acknowledged meanwhile",
        "free disk space; permissions; is the database up?",
    ),
    Trouble(
        "record",
        "errors",
        "refused",
        "the store does not take a row, now or ever; the row is left out",
        "the log has the row; report it",
    ),
    Trouble(
        "record",
        "errors",
        "prune",
        "old events could not be deleted",
        "as for `storage`",
    ),
    Trouble(
        "evidence",
        "errors",
        "disk_full",
        "a picture could not be filed: no space",
        "free disk space, or lower `evidence.max_bytes`",
    ),
    Trouble(
        "evidence",
        "errors",
        "disk",
        "a picture could not be filed",
        "permissions; is the disk mounted and healthy?",
    ),
    Trouble(
        "evidence",
        "errors",
        "picture",
        "a picture could not be drawn",
        "the log has the error; report it",
    ),
    Trouble(
        "webhook",
        "errors",
        "connection",
        "the receiver cannot be reached; tried again",
        "network, name, port, certificate",
    ),
    Trouble(
        "webhook",
        "errors",
        "timeout",
        "no answer within `timeout_s`; tried again",
        "load of the receiver; `timeout_s`",
    ),
    Trouble(
        "webhook",
        "errors",
        "status",
        "the receiver answered with an error; 5xx, 408, 425 and 429 are tried again",
        "the receiver's log",
    ),
    Trouble(
        "webhook",
        "dropped",
        "refused",
        "the receiver will not take this event, so it is not sent again (4xx)",
        "signing secret, URL, the receiver's log; the event is in the store",
    ),
    Trouble(
        "webhook",
        "dropped",
        "attempts",
        "`max_attempts` tries failed",
        "as for `connection`; the event is in the store",
    ),
    Trouble(
        "webhook",
        "dropped",
        "stopped",
        "the station stopped before the event was sent",
        "the event is in the store",
    ),
    Trouble(
        "modbus",
        "errors",
        "connection",
        "the PLC cannot be reached; tried again, the newest state wins. The PLC's own watchdog "
        "must act",
        "cable, address, port 502, number of connections that the PLC allows",
    ),
    Trouble(
        "modbus",
        "errors",
        "refused",
        "the PLC does not take the registers",
        "`base_register` and `device_id`; the registers must exist and be writable",
    ),
)


def reasons() -> str:
    """A row per reason of a frame."""
    rows = [
        (code(each.name), each.outcome.value, sentence(each.sentence), sentence(each.remedy))
        for each in REASONS
    ]
    return table(("reason", "outcome", "what happened", "what to do"), rows)


def sink_trouble() -> str:
    """A row per reason of a sink."""
    rows = [
        (each.sink, each.counter, code(each.name), sentence(each.sentence), sentence(each.remedy))
        for each in TROUBLES
    ]
    return table(("sink", "counter", "reason", "what happened", "what to do"), rows)
