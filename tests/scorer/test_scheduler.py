"""Waiting frames: each comes out exactly once, the most urgent first, if it has a chance."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scorer.scheduler import NEVER_NS, Batch, Job, Scheduler
from tests.scorer.frames import frame

deadlines = st.lists(st.none() | st.integers(0, 200), max_size=30)


def scheduler(deadlines_ns: list[int | None], *, max_batch: int = 4) -> Scheduler:
    waiting = Scheduler(max_pending=max(1, len(deadlines_ns)), max_batch=max_batch)
    for number, deadline_ns in enumerate(deadlines_ns):
        waiting.add(Job(frame(number, deadline_ns=deadline_ns), 0))
    return waiting


def ids(jobs: list[Job]) -> list[int]:
    return [job.frame.header.frame_id for job in jobs]


def deadline(job: Job) -> int:
    found = job.frame.header.deadline_ns
    return NEVER_NS if found is None else found


def drain(waiting: Scheduler, now_ns: int, frame_ns: int) -> list[Batch]:
    """Batches until nothing waits; time passes as the batches are scored."""
    batches = []
    while len(waiting):
        batches.append(waiting.next_batch(now_ns, frame_ns))
        now_ns += frame_ns * len(batches[-1].ready)
        assert batches[-1].ready or batches[-1].late
    return batches


@given(deadlines, st.integers(1, 6), st.integers(0, 200), st.integers(0, 50))
def test_every_frame_comes_out_exactly_once(
    deadlines_ns: list[int | None], max_batch: int, now_ns: int, frame_ns: int
) -> None:
    batches = drain(scheduler(deadlines_ns, max_batch=max_batch), now_ns, frame_ns)
    out = [number for batch in batches for number in ids(batch.late) + ids(batch.ready)]
    assert sorted(out) == list(range(len(deadlines_ns)))
    assert all(len(batch.ready) <= max_batch for batch in batches)


@given(deadlines, st.integers(1, 6), st.integers(0, 200), st.integers(0, 50))
def test_what_is_scored_is_scored_in_time(
    deadlines_ns: list[int | None], max_batch: int, now_ns: int, frame_ns: int
) -> None:
    for batch in drain(scheduler(deadlines_ns, max_batch=max_batch), now_ns, frame_ns):
        done_ns = now_ns + frame_ns * len(batch.ready)
        assert all(deadline(job) >= done_ns for job in batch.ready)
        now_ns = done_ns


@given(deadlines, st.integers(1, 6), st.integers(0, 200), st.integers(0, 50))
def test_the_earliest_deadline_goes_first_and_arrival_breaks_ties(
    deadlines_ns: list[int | None], max_batch: int, now_ns: int, frame_ns: int
) -> None:
    batches = drain(scheduler(deadlines_ns, max_batch=max_batch), now_ns, frame_ns)
    order = [(deadline(job), ids([job])[0]) for batch in batches for job in batch.ready]
    assert order == sorted(order)


@given(deadlines, st.integers(0, 200))
def test_with_fast_scoring_only_the_past_is_late(
    deadlines_ns: list[int | None], now_ns: int
) -> None:
    batches = drain(scheduler(deadlines_ns), now_ns, 0)
    late = [number for batch in batches for number in ids(batch.late)]
    missed = [n for n, when in enumerate(deadlines_ns) if when is not None and when < now_ns]
    assert sorted(late) == missed


def test_a_hopeless_frame_does_not_cost_the_next_one_its_deadline() -> None:
    batch = scheduler([105, 112]).next_batch(100, 10)
    assert ids(batch.late) == [0]
    assert ids(batch.ready) == [1]


def test_a_batch_ends_where_it_would_make_its_first_frame_late() -> None:
    waiting = scheduler([115, 150, 150])
    assert ids(waiting.next_batch(100, 10).ready) == [0]
    assert ids(waiting.next_batch(110, 10).ready) == [1, 2]


def test_it_is_bounded() -> None:
    waiting = Scheduler(max_pending=2, max_batch=1)
    for number in range(2):
        assert waiting.has_room
        waiting.add(Job(frame(number), 0))
    assert not waiting.has_room
    with pytest.raises(OverflowError, match="2 frames wait already"):
        waiting.add(Job(frame(2), 0))
    waiting.next_batch(0, 0)
    assert waiting.has_room


def test_nothing_waits() -> None:
    assert Scheduler(max_pending=2, max_batch=1).next_batch(0, 0) == ([], [])
