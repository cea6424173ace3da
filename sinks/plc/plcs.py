"""All PLCs of a station: a verdict is told to that of its line, and booked after that."""

from __future__ import annotations

from collections.abc import Sequence

from sinks.arrival import Arrival
from sinks.plc.modbus import Plc


class Plcs:
    """Tells verdicts to the PLC of their line, and says when each may be booked.

    That is after milliseconds, or once its deadline has passed where the PLC cannot be told.

    Args:
        plcs: one per line at most.
    """

    def __init__(self, plcs: Sequence[Plc]) -> None:
        self._by_line = {plc.line: plc for plc in plcs}

    def tell(self, arrival: Arrival) -> bool:
        """Take a verdict; False if its line has no PLC: it may be booked at once."""
        plc = self._by_line.get(arrival.header.line)
        if plc is not None:
            plc.tell(arrival)
        return plc is not None

    def concluded(self) -> list[Arrival]:
        """Verdicts that may be booked since the last call, as they were told."""
        return [arrival for plc in self._by_line.values() for arrival in plc.concluded()]

    def give_up(self) -> None:
        """Tell no result any more: all that were taken are `concluded`."""
        for plc in self._by_line.values():
            plc.give_up()

    @property
    def idle(self) -> bool:
        """Whether every verdict that was taken has been handed back."""
        return all(plc.idle for plc in self._by_line.values())
