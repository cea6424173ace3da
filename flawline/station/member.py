"""A process of a station over its restarts: what is known of it, whether it runs or not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from contract.backoff import BackOff
from contract.beat import NOTHING
from contract.errors import EXIT_OK
from flawline.station.child import Child
from flawline.station.processes import ProcessSpec, Stage


class Failure(NamedTuple):
    """A process that ended for good with an error, and its last word."""

    process: str
    why: str


class State(NamedTuple):
    """How a process is, in a word or two, and so each camera or PLC that it deals with."""

    process: str
    things: Mapping[str, str]


@dataclass(eq=False)
class Member:
    """A process of the station, whether it runs at the moment or not.

    Attributes:
        may_heal: it is tried again although it was never ready.
        exit_code: of a process that ended for good.
        start_due_s: when it is started again; None: not at all, or it runs.
    """

    spec: ProcessSpec
    back_off: BackOff
    child: Child | None = None
    was_ready: bool = False
    may_heal: bool = False
    exit_code: int | None = None
    why: str = ""
    start_due_s: float | None = None
    restarts: Counter[str] = field(default_factory=Counter)

    @property
    def is_down(self) -> bool:
        """Whether it neither runs, nor will by itself, nor came to its end."""
        return self.child is None and self.start_due_s is None and self.exit_code != EXIT_OK

    @property
    def state(self) -> State:
        """How it is now."""
        if self.child is not None:
            alive = "running" if self.child.ready else "starting"
            told = self.child.vitals.is_told
            return State("stopping" if told else alive, self.child.beat.states)
        if self.start_due_s is not None:
            return State("starts again", NOTHING)
        if self.exit_code is None:
            return State("not started", NOTHING)
        return State("ended" if self.exit_code == EXIT_OK else "failed", NOTHING)


def by_stage(members: Sequence[Member], *, starting: bool) -> list[list[Member]]:
    """`members` by place in the pipeline, in the order of a start or a stop; no empty lists."""
    stages = sorted(Stage, reverse=starting)
    grouped = ([m for m in members if m.spec.stage is stage] for stage in stages)
    return [group for group in grouped if group]
