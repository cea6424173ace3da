"""Which frames are scored next. Pure; knows no model and no socket.

As long as all waiting frames can meet their deadlines, the earliest deadline goes first: no other
order meets deadlines that this one misses (Jackson's rule). Under overload some must be given up,
and the earliest ones would always be those of the line with the shortest deadline. So the frames
to keep are chosen line by line, the line that was scored least first, each kept if the chosen set
can still meet its deadlines. With frames of equal cost such sets are a matroid, so that being fair
costs no frame (Lawler, "Combinatorial Optimization", chapter 7: scheduling unit-time jobs).
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from heapq import heapify, heappop, heappush
from itertools import count
from typing import NamedTuple

from contract.clock import NS_PER_S
from contract.codec import Frame
from scorer.serving.cost import Cost

NEVER_NS = 1 << 63
PATIENCE_NS = 60 * NS_PER_S
WAIT_SAFETY = 2


class Job(NamedTuple):
    """A received frame that waits for its score; `num_tokens` is what it costs at most."""

    frame: Frame
    received_ns: int
    num_tokens: int = 1


def at_most(job: Job) -> int:
    """Tokens that are expected of `job` where nothing is known of its camera."""
    return job.num_tokens


class _Waiting(NamedTuple):
    """A job in order of urgency: its deadline or, without one, a minute of patience.

    `expected_tokens` is what it will probably cost, with what a cache saves.
    """

    urgency_ns: int
    arrival: int
    deadline_ns: int
    job: Job
    expected_tokens: int

    @property
    def line(self) -> str:
        return self.job.frame.header.line


class Batch(NamedTuple):
    """What to do next.

    Attributes:
        late: frames that cannot be scored in time.
        ready: frames to score together.
        wait_ns: with nothing ready, how long more frames may be waited for.
    """

    late: list[Job]
    ready: list[Job]
    wait_ns: int = 0


class Scheduler:
    """A bounded set of waiting frames.

    Args:
        max_pending: frames that may wait; `has_room` says when no more may be added.
        max_batch_frames: frames handed out at once.
        max_batch_tokens: their tokens together; one frame that has more goes alone.
        max_wait_ns: how long a batch that is not full may wait for more frames.
    """

    def __init__(
        self,
        *,
        max_pending: int,
        max_batch_frames: int,
        max_batch_tokens: int,
        max_wait_ns: int = 0,
    ) -> None:
        self._max_pending = max_pending
        self._max_batch_frames = max_batch_frames
        self._max_batch_tokens = max_batch_tokens
        self._max_wait_ns = max_wait_ns
        self._waiting: list[_Waiting] = []
        self._arrivals = count()
        self._served: dict[str, int] = {}
        self._virtual_time = 0

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def has_room(self) -> bool:
        return len(self._waiting) < self._max_pending

    def add(self, job: Job) -> None:
        """Let `job` wait.

        Raises:
            OverflowError: there is no room; ask `has_room` first.
        """
        if not self.has_room:
            raise OverflowError(f"{self._max_pending} frames wait already")
        deadline_ns = job.frame.header.deadline_ns
        urgency_ns = job.received_ns + PATIENCE_NS if deadline_ns is None else deadline_ns
        entry = _Waiting(
            urgency_ns,
            next(self._arrivals),
            NEVER_NS if deadline_ns is None else deadline_ns,
            job,
            job.num_tokens,
        )
        if all(other.line != entry.line for other in self._waiting):
            # A line that was silent for a day has no claim on the next one, and no debt.
            self._served[entry.line] = max(self._served.get(entry.line, 0), self._virtual_time)
        insort(self._waiting, entry)

    def clear(self) -> list[Job]:
        """Take every frame that waits, the most urgent first."""
        jobs = [entry.job for entry in self._waiting]
        self._waiting.clear()
        return jobs

    def next_batch(
        self,
        now_ns: int,
        cost: Cost,
        *,
        patient: bool = True,
        expected: Callable[[Job], int] = at_most,
    ) -> Batch:
        """Take the next frames to score, and those that cannot be scored in time.

        A batch ends where one more frame would make its most urgent one late.

        Args:
            now_ns: wall clock.
            cost: what steps take, by experience.
            patient: wait for more frames where that is allowed.
            expected: tokens that a job will probably cost; what a batch may hold is counted by
                what it costs at most.
        """
        self._waiting = [
            entry._replace(expected_tokens=expected(entry.job)) for entry in self._waiting
        ]
        late = self._take(
            entry
            for entry in self._waiting
            if entry.deadline_ns < now_ns + cost.step_ns(entry.expected_tokens)
        )
        chosen = self._waiting
        if not _feasible([_Load.of(entry, cost) for entry in chosen], now_ns):
            chosen = self._fair_choice(now_ns, cost)
        batch = self._first(chosen, now_ns, cost)
        wait_ns = self._wait_ns(batch, now_ns, cost) if patient else 0
        if wait_ns > 0:
            return Batch(late, [], wait_ns)
        self._account(batch)
        return Batch(late, self._take(batch))

    def _account(self, batch: list[_Waiting]) -> None:
        """Note the work done for each line (start-time fair queueing, Goyal et al., 1996)."""
        if batch:
            least = min(self._served[entry.line] for entry in batch)
            self._virtual_time = max(self._virtual_time, least)
        for entry in batch:
            self._served[entry.line] += entry.expected_tokens

    def _take(self, entries: Iterable[_Waiting]) -> list[Job]:
        taken = {entry.arrival: entry.job for entry in entries}
        self._waiting = [entry for entry in self._waiting if entry.arrival not in taken]
        return list(taken.values())

    def _fair_choice(self, now_ns: int, cost: Cost) -> list[_Waiting]:
        """Frames that can all meet their deadlines, the lines scored least being asked first."""
        kept: list[_Waiting] = []
        loads: list[_Load] = []
        for entry in self._in_turn():
            place = bisect_right(kept, entry)
            loads.insert(place, _Load.of(entry, cost))
            if _feasible(loads, now_ns):
                kept.insert(place, entry)
            else:
                del loads[place]
        return kept

    def _in_turn(self) -> Iterator[_Waiting]:
        """Every waiting frame: again and again the most urgent one of the line served least."""
        lines: defaultdict[str, list[_Waiting]] = defaultdict(list)
        for entry in reversed(self._waiting):
            lines[entry.line].append(entry)
        turns = [(self._served[line], line) for line in lines]
        heapify(turns)
        while turns:
            served, line = heappop(turns)
            entry = lines[line].pop()
            yield entry
            if lines[line]:
                heappush(turns, (served + entry.expected_tokens, line))

    def _first(self, chosen: list[_Waiting], now_ns: int, cost: Cost) -> list[_Waiting]:
        """As many of `chosen`, from the first on, as fit one step that makes none of them late."""
        batch: list[_Waiting] = []
        tokens = expected_tokens = 0
        deadline_ns = NEVER_NS
        for entry in chosen[: self._max_batch_frames]:
            tokens += entry.job.num_tokens
            expected_tokens += entry.expected_tokens
            deadline_ns = min(deadline_ns, entry.deadline_ns)
            done_ns = now_ns + cost.step_ns(expected_tokens)
            if batch and (tokens > self._max_batch_tokens or done_ns > deadline_ns):
                break
            batch.append(entry)
        return batch

    def _wait_ns(self, batch: list[_Waiting], now_ns: int, cost: Cost) -> int:
        """How long `batch` may wait for more frames; 0: it goes now."""
        tokens = sum(entry.job.num_tokens for entry in batch)
        full = len(batch) == self._max_batch_frames or tokens >= self._max_batch_tokens
        if not batch or full or len(batch) < len(self._waiting):
            return 0
        oldest_ns = min(entry.job.received_ns for entry in batch)
        deadline_ns = min(entry.deadline_ns for entry in batch)
        step_ns = cost.step_ns(sum(entry.expected_tokens for entry in batch))
        slack_ns = deadline_ns - now_ns - WAIT_SAFETY * step_ns
        return max(0, min(oldest_ns + self._max_wait_ns - now_ns, slack_ns))


class _Load(NamedTuple):
    """What a feasibility check needs of a frame."""

    cost_ns: int
    deadline_ns: int

    @classmethod
    def of(cls, entry: _Waiting, cost: Cost) -> _Load:
        return cls(cost.step_ns(entry.expected_tokens), entry.deadline_ns)


def _feasible(loads: list[_Load], now_ns: int) -> bool:
    """Whether frames, scored one by one in this order, all meet their deadlines."""
    done_ns = now_ns
    for cost_ns, deadline_ns in loads:
        done_ns += cost_ns
        if done_ns > deadline_ns:
            return False
    return True
