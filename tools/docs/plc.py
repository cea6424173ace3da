"""What the PLC program needs to know, from the register block and the settings' defaults."""

from __future__ import annotations

import struct
from typing import Final

from contract.config_sinks import Modbus
from contract.reasons import FAULTS
from sinks.plc.registers import OUTCOME_CODES, REGISTERS, Status
from tools.docs.markdown import code, sentence, table

KINDS: Final = {"H": "16-bit unsigned", "I": "32-bit unsigned", "f": "32-bit float"}
REGISTER_MEANINGS: Final = {
    "status": "bits, see below",
    "fault": "why there is no result or no service, see below; 0: nothing wrong",
    "score": "anomaly score of the result, 0 to 1; NaN: none",
    "outcome": "outcome of the result, see below",
    "frame_id": "number of the result's frame, modulo 2^32",
    "camera": "its camera: place in the line's list in the configuration, from 0; 65535: unknown",
    "deadline": "until when PASS or FAIL counts: UTC in ms since 1970, modulo 2^32; 0: no limit",
    "heartbeat": "counts up every `heartbeat_s` while ONLINE, modulo 2^16; stands still otherwise",
    "sequence": "verdicts of the line so far, modulo 2^16; written last",
}
STATUS_MEANINGS: Final = {
    Status.PASS: "the part is good, and there is still time; the only bit that lets a part through",
    Status.FAIL: "the part is bad",
    Status.REVIEW: "a person decides; PASS or FAIL says what the gate does meanwhile (`review_as`)",
    Status.FAULT: "the line has a fault that a person must see to; `fault` says which",
    Status.ONLINE: "the whole way works, from camera to verdict",
}
SETTINGS: Final = ("heartbeat_s", "hold_s", "silence_s", "fault_after_late", "timeout_s", "guard")


def registers() -> str:
    """A row per register."""
    rows, offset = [], 0
    for name, kind in REGISTERS:
        words = struct.calcsize(f">{kind}") // 2
        rows.append((f"+{offset}", words, code(name), KINDS[kind], REGISTER_MEANINGS[name]))
        offset += words
    return table(("offset", "words", "name", "type", "meaning"), rows)


def status_bits() -> str:
    """A row per bit of the status register."""
    rows = [
        (bit.value.bit_length() - 1, bit.value, code(bit.name), STATUS_MEANINGS[bit])
        for bit in Status
    ]
    return table(("bit", "value", "name", "meaning"), rows)


def outcomes() -> str:
    """A row per code of the outcome register."""
    rows = [
        (number, "none so far" if outcome is None else code(outcome))
        for outcome, number in OUTCOME_CODES.items()
    ]
    return table(("code", "outcome"), rows)


def faults() -> str:
    """A row per fault code, with what to do."""
    rows = [
        (
            fault.value,
            code(fault.name),
            sentence(meaning.text),
            "yes" if meaning.raises_fault else "no",
            sentence(meaning.remedy),
        )
        for fault, meaning in FAULTS.items()
    ]
    return table(("code", "name", "meaning", "FAULT bit", "what to do"), rows)


def settings() -> str:
    """A row per time and limit that the PLC program depends on."""
    fields = Modbus.model_fields
    rows = [
        (code(name), code(fields[name].default), sentence(fields[name].description or ""))
        for name in SETTINGS
    ]
    return table(("key", "default", "meaning"), rows)
