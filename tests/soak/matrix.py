"""Every fault, at every kind of moment, again and again; what came of each shot."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

import psutil

from tests.soak.faults import FAULTS, Fault
from tests.soak.rig import NotWell, Rig, rig
from tests.soak.witness import (
    gap_s,
    num_passes,
    overdue_s,
    safe_after_s,
    shows_pass,
    told_otherwise,
)

RANDOM_WITHIN_S = 3.0
SMALL_DISK_BYTES = 64 << 20


class Moment(StrEnum):
    """When a fault comes."""

    RANDOM = "random"
    OF_A_PASS = "of a PASS"


@dataclass(frozen=True)
class Shot:
    """One fault, and what came of it.

    Attributes:
        delay_s: how long a station that was well ran before, at a random moment.
        overdue_s: for how long a PASS stood past its deadline, at most.
        safe_after_s: from the fault until the PLC showed neither PASS nor ONLINE; None: it never
            had to.
        gap_s: the longest time without a new result.
        passes: how many results were told as PASS.
        told_otherwise: those that are not booked so, in words.
        ledger_exit: of `flawline ledger`, once all was well again.
        stands: a PASS stood at the end of a station that did not get up again.
        trouble: what went wrong; empty: the station got up again.
    """

    fault: str
    victim: str
    moment: Moment
    delay_s: float
    overdue_s: float = 0.0
    safe_after_s: float | None = None
    gap_s: float = 0.0
    passes: int = 0
    told_otherwise: tuple[str, ...] = ()
    ledger_exit: int | None = None
    stands: bool = False
    trouble: str = ""

    @property
    def holds(self) -> bool:
        """Whether what was promised held, however slow the machine was."""
        return not (self.told_otherwise or self.ledger_exit or self.stands or self.trouble)

    def row(self) -> dict[str, Any]:
        return {**asdict(self), "told_otherwise": "; ".join(self.told_otherwise)}


class Matrix:
    """Takes shots at a station, and another one after a shot that it did not survive.

    Args:
        logs: where the log of each station is left.
    """

    def __init__(self, *, deadline_s: float, small_disk: bool, logs: Path | None) -> None:
        self._deadline_s = deadline_s
        self._small_disk_bytes = SMALL_DISK_BYTES if small_disk else None
        self._logs = logs
        self._num_rigs = 0
        self._stack = ExitStack()
        self._rig: Rig | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._give_up()

    def shoot(self, fault: Fault, moment: Moment, *, delay_s: float) -> Shot:
        """One fault, and the station well again, or done with."""
        shot = _shoot(self._at_work(), fault, moment, delay_s)
        if not shot.holds:
            self._give_up()
        return shot

    def _at_work(self) -> Rig:
        if self._rig is None:
            log = self._logs / f"station-{self._num_rigs:03}.log" if self._logs else None
            self._num_rigs += 1
            self._rig = self._stack.enter_context(
                rig(
                    deadline_s=self._deadline_s,
                    small_disk_bytes=self._small_disk_bytes,
                    log=log,
                )
            )
        return self._rig

    def _give_up(self) -> None:
        self._rig = None
        with suppress(AssertionError):  # it did not stop in order: its remains were killed
            self._stack.close()


def rounds(
    faults: Sequence[Fault], *, shots: int, seed: int
) -> Iterator[tuple[Fault, Moment, float]]:
    """What is to be done: every cell once, then every cell again."""
    chance = random.Random(seed)
    for _ in range(shots):
        for moment in Moment:
            for fault in faults:
                yield fault, moment, chance.uniform(0, RANDOM_WITHIN_S)


def chosen(pattern: str) -> list[Fault]:
    """The faults whose name and victim match."""
    return [each for each in FAULTS if re.search(pattern, f"{each.name} {each.victim}")]


def _shoot(rig: Rig, fault: Fault, moment: Moment, delay_s: float) -> Shot:
    hit_ns, trouble = time.time_ns(), ""
    try:
        if moment is Moment.RANDOM:
            rig.go_on(delay_s)
        else:
            rig.await_pass()
        hit_ns = time.time_ns()
        fault.inflict(rig, fault.victim)
        rig.get_up()
    except (NotWell, AssertionError, psutil.Error) as error:
        trouble = str(error).splitlines()[0]
    writes = rig.news()
    wrong = rig.settled(lambda events: told_otherwise(writes, events))
    ledger = None if trouble else rig.ledger_exit()
    return Shot(
        fault.name,
        fault.victim,
        moment,
        delay_s,
        overdue_s=max(0.0, overdue_s(writes)),
        safe_after_s=safe_after_s(writes, hit_ns),
        gap_s=gap_s(writes, hit_ns),
        passes=num_passes(writes),
        told_otherwise=tuple(wrong),
        ledger_exit=ledger,
        stands=bool(trouble) and shows_pass(rig.plc.block),
        trouble=trouble,
    )
