"""The results of a line that its PLC was not told yet, and what came of telling them. Pure.

A result is judged once: at the first write that may have told it, by what it is worth then. A PASS
that came in time but could not be written before its deadline is LATE, and so is one that was
written without its bit because the line had a fault. That is what is booked, so that the book says
what the gate was told. The caller holds a lock around each call.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from contract.clock import Clock
from contract.messages import SCORED
from contract.reasons import Fault, Reason
from contract.telling import Telling, Told
from sinks.arrival import Arrival
from sinks.plc.indication import Indication
from sinks.plc.registers import Status

_TOLD: Final = ((Status.PASS, Told.PASS), (Status.FAIL, Told.FAIL))


@dataclass(frozen=True)
class Batch:
    """Results that are told in one write.

    Attributes:
        indication: all of them as one.
        fault: why they show neither PASS nor FAIL, ever; NONE if they may.
        taken: those that are not booked yet, as they waited.
        judged: the same, as they are booked if this write may have told them.
    """

    indication: Indication
    fault: Fault
    taken: tuple[Arrival, ...]
    judged: tuple[Arrival, ...]

    @property
    def count(self) -> int:
        return self.indication.count

    @property
    def is_spoiled(self) -> bool:
        """Whether what was good or bad is booked as LATE if this write may have told it."""
        pairs = zip(self.taken, self.judged, strict=True)
        return any(waited.header is not judged.header for waited, judged in pairs)

    @property
    def newly_judged(self) -> list[Arrival]:
        """Those of `judged` that no write may have told before."""
        pairs = zip(self.taken, self.judged, strict=True)
        return [judged for waited, judged in pairs if waited.telling is None]


class Results:
    """What waits to be told, and what was told and waits to be booked.

    Args:
        name: of the PLC.
        hold_s: how long a result stands at least before the next may be told.
    """

    def __init__(self, clock: Clock, *, name: str, hold_s: float) -> None:
        self._clock = clock
        self._perhaps = Telling(name=name, told=Told.UNKNOWN)
        self._never = Telling(name=name, told=Told.UNTOLD)
        self._hold_s = hold_s
        self._held_until_s = clock.monotonic_s()
        self._waiting: Indication | None = None
        self._untold: list[Arrival] = []
        self._on_its_way: Batch | None = None
        self._concluded: list[Arrival] = []

    def add(self, arrival: Arrival, indication: Indication) -> None:
        """Let a verdict wait for the next write."""
        self._waiting = self._waiting.then(indication) if self._waiting else indication
        self._untold.append(arrival)

    @property
    def count(self) -> int:
        """Results that wait for a write."""
        return self._waiting.count if self._waiting else 0

    @property
    def ready(self) -> Indication | None:
        """What waits, once it may be told."""
        held = self._clock.monotonic_s() < self._held_until_s
        return None if held else self._waiting

    @property
    def due_s(self) -> float | None:
        """When what waits may replace the result that stands; None: nothing waits."""
        return self._held_until_s if self._waiting else None

    def take(self, line_fault: Fault, now_ns: int) -> Batch | None:
        """What to tell at `now_ns`, when the line has `line_fault`, if anything is ready.

        It is on its way until it was `told`, is put back, or is given up.
        """
        ready = self.ready
        if ready is None:
            return None
        withheld = Fault.RESULT_WITHHELD if line_fault else Fault.NONE
        taken = tuple(self._untold)
        self._on_its_way = Batch(
            ready,
            ready.fault(now_ns) or withheld,
            taken,
            tuple(self._judged(each, now_ns, withheld=bool(withheld)) for each in taken),
        )
        self._waiting, self._untold = None, []
        return self._on_its_way

    def told(self, batch: Batch, bits: Status) -> None:
        """The PLC took `batch`, which showed `bits`."""
        self._held_until_s = self._clock.monotonic_s() + self._hold_s
        told = next((told for bit, told in _TOLD if bits & bit), Told.NOTHING)
        answered = {"told_ns": self._clock.wall_ns(), "num_results": batch.count}
        telling = self._perhaps.model_copy(update={"told": told, **answered})
        if self._on_its_way is not batch:
            return
        self._on_its_way = None
        for waited, arrival in zip(batch.taken, batch.judged, strict=True):
            outcome = arrival.header.outcome
            otherwise = telling.contradicts(outcome, judged=outcome)
            # What no answer came to may have been told in time, and this is too late.
            unsure = otherwise and waited.telling is not None and told is not Told.PASS
            self._concluded.append(arrival if unsure else arrival.with_telling(telling))

    def put_back(self, batch: Batch, *, perhaps_told: bool) -> None:
        """The write of `batch` failed: it waits for the next one, before what came meanwhile."""
        if self._on_its_way is not batch:
            return
        self._on_its_way = None
        again = batch.indication
        if perhaps_told and batch.is_spoiled:
            again = again.without_use()
        self._untold = [*(batch.judged if perhaps_told else batch.taken), *self._untold]
        self._waiting = again.then(self._waiting) if self._waiting else again

    def expire(self) -> None:
        """Give up telling what is too late by now. The PLC hears of it with the next write."""
        now_ns = self._clock.wall_ns()
        waiting, self._untold = self._untold, []
        for arrival in waiting:
            if now_ns > arrival.until_ns:
                self._concluded.append(self._given_up(arrival))
            else:
                self._untold.append(arrival)
        if self._waiting and len(self._untold) < len(waiting):
            # Also if the clock steps back: it is booked as too late.
            self._waiting = self._waiting.without_pass()

    def give_up(self) -> None:
        """Tell nothing more."""
        self._concluded += self._on_its_way.judged if self._on_its_way else ()
        self._concluded += map(self._given_up, self._untold)
        self._waiting, self._untold, self._on_its_way = None, [], None

    def concluded(self) -> list[Arrival]:
        """What may be booked since the last call."""
        found, self._concluded = self._concluded, []
        return found

    @property
    def idle(self) -> bool:
        """Whether nothing has to be told or booked any more."""
        return not (self._untold or self._on_its_way or self._concluded)

    def _judged(self, arrival: Arrival, now_ns: int, *, withheld: bool) -> Arrival:
        """What a verdict counts as if it is told now. What may have been told keeps its worth."""
        if arrival.telling is not None:
            return arrival
        if arrival.header.outcome in SCORED:
            if now_ns > arrival.until_ns:
                arrival = arrival.spoiled(Reason.NOT_TOLD)
            elif withheld:
                arrival = arrival.spoiled(Reason.WITHHELD)
        return arrival.with_telling(self._perhaps)

    def _given_up(self, arrival: Arrival) -> Arrival:
        if arrival.telling is not None:
            return arrival
        if arrival.header.outcome in SCORED:
            arrival = arrival.spoiled(Reason.NOT_TOLD)
        return arrival.with_telling(self._never)
