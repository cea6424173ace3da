"""Waiting frames: each comes out exactly once, in time if any order allows, and lines share."""

from __future__ import annotations

from collections import Counter
from itertools import count, permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scorer.serving.cost import Cost
from scorer.serving.scheduler import NEVER_NS, PATIENCE_NS, Batch, Job, Scheduler
from tests.scorer.frames import frame

TOKEN = Cost(token_ns=1.0)
LINES = ("bottles", "cans", "jars")


def job(
    number: int, deadline_ns: int | None, *, tokens: int = 10, line: str = "bottles", at: int = 0
) -> Job:
    return Job(frame(number, line=line, deadline_ns=deadline_ns), at, tokens)


def scheduler(jobs: list[Job], *, frames: int = 4, tokens: int = 1000, wait: int = 0) -> Scheduler:
    waiting = Scheduler(
        max_pending=max(1, len(jobs)),
        max_batch_frames=frames,
        max_batch_tokens=tokens,
        max_wait_ns=wait,
    )
    for each in jobs:
        waiting.add(each)
    return waiting


def ids(jobs: list[Job]) -> list[int]:
    return [each.frame.header.frame_id for each in jobs]


def deadline(each: Job) -> int:
    found = each.frame.header.deadline_ns
    return NEVER_NS if found is None else found


def drain(waiting: Scheduler, now_ns: int, cost: Cost) -> list[tuple[int, Batch]]:
    """Batches and when each is done, until nothing waits; time passes as they are scored."""
    batches = []
    while len(waiting):
        batch = waiting.next_batch(now_ns, cost)
        if batch.ready:
            now_ns += cost.step_ns(sum(each.num_tokens for each in batch.ready))
        batches.append((now_ns, batch))
        assert batch.ready or batch.late
    return batches


jobs = st.lists(
    st.tuples(st.none() | st.integers(0, 300), st.integers(1, 40), st.sampled_from(LINES)),
    max_size=25,
).map(
    lambda rows: [
        job(number, deadline_ns, tokens=tokens, line=line)
        for number, (deadline_ns, tokens, line) in enumerate(rows)
    ]
)


@given(jobs, st.integers(1, 6), st.integers(1, 100), st.integers(0, 200), st.integers(0, 30))
def test_every_frame_comes_out_exactly_once_in_time_and_within_the_budget(
    waiting: list[Job], frames: int, tokens: int, now_ns: int, batch_ns: int
) -> None:
    cost = Cost(batch_ns=batch_ns, token_ns=1.0)
    start_ns = now_ns
    out = []
    for done_ns, batch in drain(scheduler(waiting, frames=frames, tokens=tokens), now_ns, cost):
        out += ids(batch.late) + ids(batch.ready)
        assert len(batch.ready) <= frames
        assert len(batch.ready) == 1 or sum(each.num_tokens for each in batch.ready) <= tokens
        assert all(deadline(each) >= done_ns for each in batch.ready)
        assert all(deadline(each) < start_ns + cost.step_ns(each.num_tokens) for each in batch.late)
        start_ns = done_ns
    assert sorted(out) == list(range(len(waiting)))


@given(st.data())
def test_nothing_is_lost_or_handed_out_twice_while_frames_come_and_go(data: st.DataObject) -> None:
    waiting = Scheduler(max_pending=6, max_batch_frames=3, max_batch_tokens=50, max_wait_ns=20)
    now_ns, out, added = 0, Counter[int](), 0
    for action in data.draw(st.lists(st.sampled_from(("add", "next", "clear")), max_size=40)):
        now_ns += data.draw(st.integers(0, 20))
        if action == "add" and waiting.has_room:
            deadline_ns = now_ns + data.draw(st.integers(0, 100))
            line = data.draw(st.sampled_from(LINES))
            waiting.add(job(added, deadline_ns, line=line, at=now_ns))
            added += 1
        elif action == "next":
            batch = waiting.next_batch(now_ns, TOKEN)
            out.update(ids(batch.late) + ids(batch.ready))
        elif action == "clear":
            out.update(ids(waiting.clear()))
    out.update(ids(waiting.clear()))
    assert out == Counter(range(added))


def met(order: tuple[Job, ...], now_ns: int) -> int:
    """How many frames of `order` are in time, one by one, hopeless ones being left out."""
    count = 0
    for each in order:
        if now_ns + each.num_tokens <= deadline(each):
            now_ns += each.num_tokens
            count += 1
    return count


few = st.lists(st.tuples(st.integers(1, 60), st.sampled_from(LINES)), max_size=6)


@settings(max_examples=60)
@given(few, st.lists(st.integers(1, 20), min_size=6, max_size=6))
def test_if_any_order_meets_all_deadlines_ours_does(
    rows: list[tuple[int, str]], tokens: list[int]
) -> None:
    waiting = [
        job(number, deadline_ns, tokens=tokens[number], line=line)
        for number, (deadline_ns, line) in enumerate(rows)
    ]
    best = max(met(order, 0) for order in permutations(waiting))
    ours = drain(scheduler(waiting, frames=1), 0, TOKEN)
    if best == len(waiting):
        assert not any(batch.late for _, batch in ours)


@settings(max_examples=60)
@given(few)
def test_of_frames_of_one_cost_no_order_meets_more(rows: list[tuple[int, str]]) -> None:
    waiting = [job(number, each, line=line) for number, (each, line) in enumerate(rows)]
    best = max(met(order, 0) for order in permutations(waiting))
    ours = sum(len(batch.ready) for _, batch in drain(scheduler(waiting, frames=1), 0, TOKEN))
    assert ours == best


@pytest.mark.parametrize("trickle_deadline_ns", [60, 100, 200])
def test_under_overload_a_flood_does_not_shut_a_trickle_out(trickle_deadline_ns: int) -> None:
    """The flood asks for three times what can be scored and has the shorter deadlines."""
    waiting = Scheduler(max_pending=100, max_batch_frames=1, max_batch_tokens=1000)
    scored, now_ns = Counter[str](), 0
    for number in range(600):
        for part in range(3):
            waiting.add(job(3 * number + part, now_ns + 40, line="bottles", at=now_ns))
        if number % 4 == 0:
            waiting.add(job(number, now_ns + trickle_deadline_ns, line="cans", at=now_ns))
        batch = waiting.next_batch(now_ns, TOKEN)
        scored.update(each.frame.header.line for each in batch.ready)
        assert "cans" not in {each.frame.header.line for each in batch.late}
        now_ns += 10
    assert scored.total() >= 595, "being fair costs no frame"


def test_under_overload_equal_lines_share_equally() -> None:
    waiting = Scheduler(max_pending=100, max_batch_frames=1, max_batch_tokens=1000)
    scored, now_ns = Counter[str](), 0
    for number in range(900):
        for place, line in enumerate(LINES):
            waiting.add(job(number, now_ns + 30 + 10 * place, line=line, at=now_ns))
        scored.update(each.frame.header.line for each in waiting.next_batch(now_ns, TOKEN).ready)
        now_ns += 10
    assert all(abs(scored[line] - 300) <= 3 for line in LINES), scored


def test_a_line_that_was_silent_has_no_claim_on_the_past() -> None:
    waiting = Scheduler(max_pending=100, max_batch_frames=1, max_batch_tokens=1000)
    scored, now_ns = Counter[str](), 0
    for number in range(1000):
        waiting.add(job(number, now_ns + 40, line="bottles", at=now_ns))
        if number >= 500:
            waiting.add(job(number, now_ns + 40, line="cans", at=now_ns))
        ready = waiting.next_batch(now_ns, TOKEN).ready
        if number >= 500:
            scored.update(each.frame.header.line for each in ready)
        now_ns += 10
    assert abs(scored["bottles"] - scored["cans"]) <= 5, scored


@given(
    idle=st.integers(0, 3000),
    first=st.sampled_from(("bottles", "cans")),
    flood=st.integers(1, 4),
)
@settings(max_examples=20, deadline=None)
def test_no_past_shuts_a_line_out(idle: int, first: str, flood: int) -> None:
    """However long a line was alone, and whoever comes first, two that ask for all share."""
    waiting = Scheduler(max_pending=100, max_batch_frames=1, max_batch_tokens=1000)
    scored, now_ns, number = Counter[str](), 0, count()
    for _ in range(idle):
        waiting.add(job(next(number), now_ns + 40, line="bottles", at=now_ns))
        waiting.next_batch(now_ns, TOKEN)
        now_ns += 10
    lines = sorted(("bottles", "cans"), key=lambda line: line != first)
    for _ in range(200):
        for line in lines:
            for _ in range(flood if line == "cans" else 1):
                waiting.add(job(next(number), now_ns + 40, line=line, at=now_ns))
        scored.update(each.frame.header.line for each in waiting.next_batch(now_ns, TOKEN).ready)
        now_ns += 10
    assert abs(scored["bottles"] - scored["cans"]) <= 10, scored


def test_a_frame_without_deadline_at_the_head_makes_nobody_late() -> None:
    now_ns = PATIENCE_NS + 5
    waiting = scheduler([job(0, None), *(job(number, now_ns + 25) for number in (1, 2, 3))])
    for done_ns, batch in drain(waiting, now_ns, TOKEN):
        assert all(deadline(each) >= done_ns for each in batch.ready)


def test_what_a_cache_saves_is_time_but_no_room() -> None:
    """A frame that is expected to cost little is in time, and fills its share of a batch."""
    waiting = scheduler([job(number, 103) for number in range(4)], tokens=20)
    batch = waiting.next_batch(100, TOKEN, expected=lambda job: 1)
    assert (ids(batch.late), ids(batch.ready)) == ([], [0, 1])
    assert ids(waiting.next_batch(100, TOKEN).late) == [2, 3]


def test_a_frame_without_deadline_is_scored_in_spite_of_a_flood() -> None:
    waiting = Scheduler(max_pending=100, max_batch_frames=1, max_batch_tokens=1000)
    slow = Cost(token_ns=1e8)
    waiting.add(job(0, None, line="cans"))
    now_ns, number = 0, 0
    while now_ns <= PATIENCE_NS + 2e9:
        number += 1
        waiting.add(job(number, now_ns + int(3e9), at=now_ns))
        if 0 in ids(waiting.next_batch(now_ns, slow).ready):
            return
        now_ns += int(1e9)
    pytest.fail("it never came out")


def test_more_frames_join_only_while_the_most_urgent_stays_in_time() -> None:
    waiting = scheduler([job(0, 111), job(1, 1000), job(2, 1000)])
    assert ids(waiting.next_batch(100, TOKEN).ready) == [0]
    assert ids(waiting.next_batch(110, TOKEN).ready) == [1, 2]


def test_frames_whose_deadline_cannot_be_met_are_late_at_once() -> None:
    batch = scheduler([job(0, 105), job(1, 112)]).next_batch(100, TOKEN)
    assert (ids(batch.late), ids(batch.ready)) == ([0], [1])


def test_a_frame_that_is_too_large_for_a_batch_goes_alone() -> None:
    waiting = scheduler([job(0, None, tokens=500), job(1, None)], tokens=100)
    assert ids(waiting.next_batch(0, TOKEN).ready) == [0]
    assert ids(waiting.next_batch(0, TOKEN).ready) == [1]


@given(
    jobs.filter(bool),
    st.integers(0, 100),
    st.integers(1, 100),
)
def test_waiting_is_bounded_and_makes_nobody_late(
    waiting: list[Job], now_ns: int, wait: int
) -> None:
    batch = scheduler(waiting, frames=30, wait=wait).next_batch(now_ns, TOKEN)
    assert not (batch.wait_ns and batch.ready)
    if batch.wait_ns:
        assert batch.wait_ns <= wait - now_ns
        late = scheduler(waiting, frames=30).next_batch(now_ns + batch.wait_ns, TOKEN).late
        assert ids(late) == ids(batch.late)


def test_waiting_ends() -> None:
    waiting = scheduler([job(0, None)], wait=50)
    assert waiting.next_batch(10, TOKEN) == ([], [], 40)
    assert waiting.next_batch(10, TOKEN, patient=False).ready
    full = scheduler([job(0, None), job(1, None)], frames=2, wait=50)
    assert ids(full.next_batch(0, TOKEN).ready) == [0, 1]


def test_no_more_than_there_is_room_for() -> None:
    waiting = scheduler([job(0, None), job(1, None)])
    assert not waiting.has_room
    with pytest.raises(OverflowError, match="2 frames wait already"):
        waiting.add(job(2, None))
    waiting.next_batch(0, TOKEN)
    assert waiting.has_room


def test_clearing_gives_the_most_urgent_first() -> None:
    waiting = scheduler([job(0, 30), job(1, None), job(2, 10)])
    assert ids(waiting.clear()) == [2, 0, 1]
    assert len(waiting) == 0
    assert waiting.next_batch(0, TOKEN) == ([], [], 0)
