"""Verdicts on their way: held until the sinks have them, sent again when they stay silent."""

from __future__ import annotations

from contract.messages import VerdictMessage


class Outbox:
    """A bounded set of unacknowledged verdicts, in order. Pure; the caller owns the clock.

    Args:
        capacity: verdicts held; `full` says when no more may be added.
        resend_after_s: silence after which a verdict is sent again.
    """

    def __init__(self, *, capacity: int, resend_after_s: float) -> None:
        self._capacity = capacity
        self._resend_after_s = resend_after_s
        self._held: dict[int, VerdictMessage] = {}
        self._unsent: dict[int, None] = {}
        self._sent_s: dict[int, float] = {}

    def __len__(self) -> int:
        return len(self._held)

    def has_room(self, count: int = 1) -> bool:
        """Whether `count` more verdicts may be added."""
        return len(self._held) + count <= self._capacity

    def add(self, verdict: VerdictMessage) -> None:
        """Hold `verdict` under its delivery id until it is acknowledged."""
        self._held[verdict.delivery_id] = verdict
        self._unsent[verdict.delivery_id] = None

    def next(self, now_s: float) -> VerdictMessage | None:
        """The next verdict to send, or None; call `sent` once it left."""
        while self._sent_s:
            oldest = next(iter(self._sent_s))
            if now_s - self._sent_s[oldest] < self._resend_after_s:
                break
            del self._sent_s[oldest]
            self._unsent[oldest] = None
        return self._held[next(iter(self._unsent))] if self._unsent else None

    def sent(self, verdict: VerdictMessage, now_s: float) -> None:
        """Note that `verdict` left at `now_s`."""
        del self._unsent[verdict.delivery_id]
        self._sent_s[verdict.delivery_id] = now_s

    def acknowledge(self, delivery_ids: tuple[int, ...]) -> None:
        """Forget verdicts that the sinks hold; unknown ids are ignored (acknowledged twice)."""
        for delivery_id in delivery_ids:
            self._held.pop(delivery_id, None)
            self._unsent.pop(delivery_id, None)
            self._sent_s.pop(delivery_id, None)
