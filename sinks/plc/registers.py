"""The register block of a line's PLC. Pure.

Holding registers from `base_register`, written in one contiguous write (function 16) with the
sequence last. Floats and 32-bit integers have their high word first.

====== ===== ========== =======================================================================
offset words name       meaning
====== ===== ========== =======================================================================
+0     1     status     bit 0 PASS, bit 1 FAIL, bit 2 REVIEW, bit 3 FAULT, bit 4 ONLINE
+1     1     fault      why there is no result, or no service: `contract.reasons`; 0: nothing
+2     2     score      anomaly score, float32, 0 to 1; NaN: none
+4     1     outcome    1 PASS, 2 FAIL, 3 REVIEW, 4 INVALID, 5 LATE, 6 UNSCORED; 0: none so far
+5     2     frame_id   frame of the result, unsigned, modulo 2**32
+7     1     camera     its camera: place in the line's list, from 0; 65535: unknown
+8     2     deadline   until when PASS or FAIL counts: Unix time in ms modulo 2**32; 0: no limit
+10    1     heartbeat  counts up every `heartbeat_s` while ONLINE, modulo 2**16; frozen else
+11    1     sequence   verdicts of the line so far, modulo 2**16
====== ===== ========== =======================================================================

For the PLC program: a new sequence is a new result, and it stands for at least `hold_s`. Accept a
part on PASS alone; no PASS in time is a reject. A sequence that jumps by more than one says that
several verdicts were told in one write, because they came faster than that: PASS then means that
all of them passed, FAIL that at least one failed; the other registers speak of the worst. PASS and
FAIL are cleared when the result's deadline has passed; a PLC with a clock of its own checks the
deadline, too, for a write that arrived late. A heartbeat that stands for 3 to 5 periods
means: stop trusting.
Heartbeat and sequence start again at 0, without result bits, when the sinks start again.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from enum import IntFlag
from typing import Final, NamedTuple

from contract.messages import Outcome
from contract.reasons import Fault

UNKNOWN_CAMERA = 0xFFFF


class Status(IntFlag):
    """Bits of the status register."""

    PASS = 1
    FAIL = 2
    REVIEW = 4
    FAULT = 8
    ONLINE = 16


NO_BITS: Final = Status(0)


OUTCOME_CODES: Final[dict[Outcome | None, int]] = {
    None: 0,
    Outcome.PASS: 1,
    Outcome.FAIL: 2,
    Outcome.REVIEW: 3,
    Outcome.INVALID: 4,
    Outcome.LATE: 5,
    Outcome.UNSCORED: 6,
}


class Register(NamedTuple):
    """A row of the table above; `kind` is a `struct` format character."""

    name: str
    kind: str


REGISTERS: Final = (
    Register("status", "H"),
    Register("fault", "H"),
    Register("score", "f"),
    Register("outcome", "H"),
    Register("frame_id", "I"),
    Register("camera", "H"),
    Register("deadline", "I"),
    Register("heartbeat", "H"),
    Register("sequence", "H"),
)


def offset_of(name: str) -> int:
    """Where the first word of a register stands in the block.

    >>> offset_of("heartbeat")
    10
    """
    before = [register.kind for register in REGISTERS[: _NAMES.index(name)]]
    return struct.calcsize(">" + "".join(before)) // 2


_NAMES: Final = tuple(register.name for register in REGISTERS)
_FORMAT: Final = ">" + "".join(register.kind for register in REGISTERS)
NUM_WORDS: Final = struct.calcsize(_FORMAT) // 2


@dataclass(frozen=True)
class RegisterBlock:
    """The values of all registers, in order."""

    status: Status = NO_BITS
    fault: Fault = Fault.STARTING
    score: float = math.nan
    outcome: int = 0
    frame_id: int = 0
    camera: int = UNKNOWN_CAMERA
    deadline: int = 0
    heartbeat: int = 0
    sequence: int = 0

    def words(self) -> list[int]:
        """The block as `NUM_WORDS` register values; counters are taken modulo their width."""
        values = (
            self.status,
            self.fault,
            self.score,
            self.outcome,
            self.frame_id % (1 << 32),
            self.camera,
            # 0 would be no limit.
            self.deadline % (1 << 32) or (1 if self.deadline else 0),
            self.heartbeat % (1 << 16),
            self.sequence % (1 << 16),
        )
        return list(struct.unpack(f">{NUM_WORDS}H", struct.pack(_FORMAT, *values)))

    @classmethod
    def of_words(cls, words: list[int]) -> RegisterBlock:
        """The block that a PLC reads from `words`."""
        values = struct.unpack(_FORMAT, struct.pack(f">{NUM_WORDS}H", *words))
        status, fault, *rest = values
        return cls(Status(status), Fault(fault), *rest)
