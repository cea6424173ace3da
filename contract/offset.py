"""How far the clock of another process is from ours, by the stamps of its messages. Pure."""

from __future__ import annotations

from collections import deque
from typing import Final

from contract.clock import NS_PER_S, Clock

MAX_OFFSET_S: Final = 0.1
"""What clocks that share a deadline may differ by: far more than PTP or NTP leave."""

WINDOW_S: Final = 10
SPREAD_S: Final = 2


class Offset:
    """The offset of one sender's clock.

    A message is on its way for some time, and never for less than none. So one that was sent later
    than it came proves that the sender's clock is ahead. The quickest of the last `WINDOW_S` tells
    nearly how far the clock is off; if even that one seems to have been long on its way, the
    sender's clock is behind. What piled up while nobody read is old as well, but comes at once:
    only messages that are spread over `SPREAD_S` prove that.

    Args:
        clock: for the window; what is compared are the stamps alone.

    Attributes:
        ahead_s: how far the sender's clock is ahead of ours, less the shortest way of its messages;
            negative: behind. None before the first message. It stays until the next one comes.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._most_ns: deque[tuple[int, int]] = deque()  # of each second that had messages
        self.ahead_s: float | None = None

    def note(self, *, sent_ns: int, received_ns: int) -> None:
        """Take note of a message: when it was sent by its clock, and came by ours."""
        second, most_ns = int(self._clock.monotonic_s()), sent_ns - received_ns
        if self._most_ns and self._most_ns[-1][0] == second:
            most_ns = max(most_ns, self._most_ns.pop()[1])
        self._most_ns.append((second, most_ns))
        while self._most_ns[0][0] <= second - WINDOW_S:
            self._most_ns.popleft()
        self.ahead_s = max(most_ns for _, most_ns in self._most_ns) / NS_PER_S

    @property
    def is_ahead(self) -> bool:
        """Whether a deadline of the sender's may be over although it seems not to be."""
        return self.ahead_s is not None and self.ahead_s > MAX_OFFSET_S

    @property
    def is_behind(self) -> bool:
        """Whether a deadline of the sender's may seem to be over although it is not."""
        if self.ahead_s is None or self.ahead_s >= -MAX_OFFSET_S:
            return False
        return self._most_ns[-1][0] - self._most_ns[0][0] >= SPREAD_S
