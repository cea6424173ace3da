"""What a PLC saw of a fault, and whether the book says the same. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from contract.clock import NS_PER_MS, NS_PER_S
from contract.messages import Outcome
from sinks.plc.registers import RegisterBlock, Status
from sinks.store.event import Event
from tests.plc import Write

CAMERA = "belt-top"
HALF = 1 << 31
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
    writes: Sequence[Write], events: Sequence[Event], camera: str = CAMERA
) -> list[str]:
    """Every PASS bit that the book does not bear out, in words; none is what must be.

    Args:
        events: what is booked of the line, or of the time of `writes` at least.
        camera: the only one of the line, which has no REVIEW.
    """
    book = sorted(
        (event for event in events if event.camera == camera),
        key=lambda event: event.times.captured_ns,
    )
    found = (
        wrong
        for write, count in _standing(writes)
        if shows_pass(write.block)
        for wrong in _not_borne_out(write, count, book)
    )
    return list(dict.fromkeys(found))


def num_passes(writes: Sequence[Write]) -> int:
    """Results that were told as PASS."""
    return sum(count for write, count in results(writes) if shows_pass(write.block))


def _standing(writes: Sequence[Write]) -> Iterator[tuple[Write, int]]:
    """Each write, and how many results it stands for at least: that was told before the first."""
    told = {id(write): count for write, count in results(writes)}
    count = 1
    for write in writes:
        count = told.get(id(write), count)
        yield write, count


def _not_borne_out(write: Write, count: int, book: Sequence[Event]) -> list[str]:
    """What is wrong with the PASS of a write, which is said of `count` results at least."""
    frame_id, told = write.block.frame_id, _told(write, book)
    if not told:
        return [f"frame {frame_id} was told as PASS and is not booked"]
    if len(told) < count:
        return [f"frame {frame_id} ends {count} that were told as PASS; {len(told)} are booked"]
    return [
        f"frame {event.frame_id} was told as PASS and is booked as {event.outcome}"
        for event in told
        if event.outcome is not Outcome.PASS
    ]


def _told(write: Write, book: Sequence[Event]) -> Sequence[Event]:
    """What is booked of the results that a PASS is said of; none: it is not booked.

    The block has the deadline of the first of them and names the latest. So it tells how many they
    are, also where what stood before is written again, or what got no answer is told again with
    what came meanwhile. A frame of another epoch has other deadlines, or was seen later.
    """
    until_ms = write.block.deadline
    for first, event in enumerate(book):
        if (event.times.deadline_ns or 0) // NS_PER_MS % (2 * HALF) != until_ms:
            continue
        for last in range(first, len(book)):
            if book[last].times.captured_ns > write.at_ns:
                break
            if book[last].frame_id % (2 * HALF) == write.block.frame_id:
                return book[first : last + 1]
    return []


def _signed(difference: int) -> int:
    """A difference modulo 2^32, from -2^31 on."""
    return (difference + HALF) % (2 * HALF) - HALF
