"""What to do about frames that were not inspected, per reason."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

_SLOW: Final = (
    "the scorer is slower than the cameras: lower `fps`, take a GPU or a smaller model, or raise "
    "`deadline_s`"
)
REMEDIES: Final = MappingProxyType(
    {
        "no_reference": "teach it: flawline enroll --line {line} --images FOLDER, or --from CAMERA",
        "no_threshold": "give the line a fail_threshold, or enroll it again",
        "memory_mismatch": "its reference memory was made for other settings, the scorer's log "
        "says which: enroll it again, or take the settings back",
        "memory_damaged": "its reference memory cannot be read: flawline memory rollback --line "
        "{line}, or enroll it again",
        "deadline_missed": _SLOW,
        "overwritten": _SLOW,
        "no_scorer": "no scorer was connected: its log says why",
        "scorer_error": "the scorer failed on these frames: its log says why",
        "score_not_finite": "the model gave no number: check weights and references",
        "wrong_size": "frames have another inspection_px than the scorer: flawline reload",
        "unknown_line": "the scorer has another configuration: flawline reload",
        "unknown_camera": "the scorer has another configuration: flawline reload",
        "lost": "nothing was heard of them: a process was killed or a connection broke; the log "
        "says which",
        "shutdown": "the station stopped before they were scored",
    }
)
OTHERWISE: Final = "look at the pictures and at the camera's log"


def remedy(reason: str, *, line: str) -> str:
    """What would be right, in a sentence."""
    return REMEDIES.get(reason, OTHERWISE).format(line=line)
