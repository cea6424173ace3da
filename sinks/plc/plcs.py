"""All PLCs of a station: a verdict is told to those of its line, and booked after that."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from contract.messages import StreamKey
from contract.telling import TRUST
from sinks.arrival import Arrival
from sinks.plc.modbus import Plc


class Plcs:
    """Tells verdicts to the PLCs of their line, and says when each may be booked.

    That is after milliseconds, or once its deadline has passed where a PLC cannot be told.
    """

    def __init__(self, plcs: Sequence[Plc]) -> None:
        self._plcs = plcs
        self._by_line: defaultdict[str, list[Plc]] = defaultdict(list)
        for plc in plcs:
            self._by_line[plc.line].append(plc)
        self._heard: defaultdict[tuple[StreamKey, int], list[Arrival]] = defaultdict(list)

    def tell(self, arrival: Arrival) -> bool:
        """Take a verdict; False if its line has no PLC: it may be booked at once."""
        plcs = self._by_line.get(arrival.header.line, [])
        for plc in plcs:
            plc.tell(arrival)
        return bool(plcs)

    def concluded(self) -> list[Arrival]:
        """Verdicts that may be booked since the last call, as they were told."""
        arrivals = (arrival for plc in self._plcs for arrival in plc.concluded())
        return [found for arrival in arrivals if (found := self._of_all(arrival))]

    def give_up(self) -> None:
        """Tell no result any more: all that were taken are `concluded`."""
        for plc in self._plcs:
            plc.give_up()

    @property
    def idle(self) -> bool:
        """Whether every verdict that was taken has been handed back."""
        return all(plc.idle for plc in self._plcs)

    def _of_all(self, arrival: Arrival) -> Arrival | None:
        """What counts of `arrival` once all PLCs of its line are done with it."""
        frame = arrival.stream, arrival.header.frame_id
        heard = self._heard[frame]
        heard.append(arrival)
        if len(heard) < len(self._by_line[arrival.header.line]):
            return None
        del self._heard[frame]
        return min(heard, key=_trust)


def _trust(arrival: Arrival) -> int:
    assert arrival.telling is not None
    return TRUST.index(arrival.telling.told)
