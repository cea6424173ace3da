"""What a PLC saw of a fault, and whether the book says the same. Pure."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterator, Sequence
from itertools import pairwise

from contract.clock import NS_PER_S
from contract.messages import Outcome
from sinks.plc.registers import RegisterBlock, Status
from sinks.store.event import NS_PER_MS, Event
from tests.plc import Write

HALF = 1 << 31
MERGED_MS = 5000
GOOD = frozenset({Outcome.PASS, Outcome.REVIEW})
TRUSTED = Status.PASS | Status.ONLINE


def shows_pass(block: RegisterBlock) -> bool:
    return bool(block.status & Status.PASS)


def deadline_ns(write: Write) -> int | None:
    """The deadline of a write, which has 32 bits of it: that which is nearest; None: no limit."""
    if not write.block.deadline:
        return None
    at_ms = write.at_ns // NS_PER_MS
    return (at_ms + _signed(write.block.deadline - at_ms)) * NS_PER_MS


def overdue_s(writes: Sequence[Write]) -> float:
    """For how long a PASS stood past its deadline, at most; 0: none did.

    The last write is the end: for how long it stands is not known yet.
    """
    stood = [0.0]
    for write, following in pairwise(writes):
        until_ns = deadline_ns(write)
        if shows_pass(write.block) and until_ns is not None:
            stood.append((following.at_ns - until_ns) / NS_PER_S)
    return max(stood)


def safe_after_s(writes: Sequence[Write], hit_ns: int) -> float | None:
    """How long after `hit_ns` neither PASS nor ONLINE was shown; None: the service went on."""
    for write in writes:
        if write.at_ns >= hit_ns and not write.block.status & TRUSTED:
            return (write.at_ns - hit_ns) / NS_PER_S
    return None


def gap_s(writes: Sequence[Write], hit_ns: int) -> float:
    """The longest time between a new result and the next, of those that came after `hit_ns`."""
    times_ns = [write.at_ns for write, _ in results(writes)]
    gaps = [(b - a) / NS_PER_S for a, b in pairwise(times_ns) if b >= hit_ns]
    return max(gaps, default=0.0)


def results(writes: Sequence[Write]) -> Iterator[tuple[Write, int]]:
    """Writes with a new sequence, and how many results each tells. The first is what was before.

    Sinks that start again begin at 0, where nothing was told yet.
    """
    for before, write in pairwise(writes):
        was, now = before.block.sequence, write.block.sequence
        if now != was and write.block.outcome:
            yield write, now - was if now > was else now


def told_otherwise(
    writes: Sequence[Write], events: Sequence[Event], cameras: Sequence[str]
) -> list[str]:
    """Every PASS bit that the book does not bear out, in words; none is what must be.

    Args:
        events: what is booked of the line, or of the time of `writes` at least.
        cameras: those of the line, in the order of its configuration.
    """
    book = sorted(events, key=lambda event: event.arrived_ns)
    arrivals_ns = [event.arrived_ns for event in book]
    wrong = {}
    for write, count in _standing(writes):
        if not shows_pass(write.block):
            continue
        block = write.block
        own = _event_of(write, count, book, cameras)
        if own is None:
            wrong[block.camera, block.frame_id, block.deadline] = (
                f"frame {block.frame_id} was told as PASS and is not booked"
            )
            continue
        # Of several results in one write PASS is said of all; the block names the latest.
        last = bisect(arrivals_ns, own.arrived_ns)
        for event in [e for e in book[:last] if e.camera == own.camera][-(count or 1) :]:
            if event.outcome not in GOOD:
                wrong[block.camera, event.frame_id, event.epoch] = (
                    f"frame {event.frame_id} was told as PASS and is booked as {event.outcome}"
                )
    return list(wrong.values())


def num_passes(writes: Sequence[Write]) -> int:
    """Results that were told as PASS."""
    return sum(count for write, count in results(writes) if shows_pass(write.block))


def _standing(writes: Sequence[Write]) -> Iterator[tuple[Write, int | None]]:
    """Each write, and how many results it stands for; None: that was told before the first."""
    told = {id(write): count for write, count in results(writes)}
    count = None
    for write in writes:
        count = told.get(id(write), count)
        yield write, count


def _event_of(
    write: Write, count: int | None, book: Sequence[Event], cameras: Sequence[str]
) -> Event | None:
    """What is booked of the frame that a write names; another epoch has its number, too."""
    tolerance_ms = 1 if count == 1 else MERGED_MS
    found = [
        (off_ms, event)
        for event in book
        if event.frame_id % (1 << 32) == write.block.frame_id
        and event.camera == cameras[write.block.camera]
        and (off_ms := _off_ms(event, write)) <= tolerance_ms
    ]
    return min(found, key=lambda each: each[0])[1] if found else None


def _off_ms(event: Event, write: Write) -> int:
    """How far the deadline of an event is from that of a write."""
    booked_ns = event.times.deadline_ns
    return abs(_signed((booked_ns or 0) // NS_PER_MS - write.block.deadline))


def _signed(difference: int) -> int:
    """A difference modulo 2^32, from -2^31 on."""
    return (difference + HALF) % (2 * HALF) - HALF
