"""The book against a naive oracle: a dictionary with one entry per frame."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from contract.messages import Outcome
from sinks.ledger.book import Book
from sinks.ledger.intervals import Intervals, size
from sinks.store.rows import book_from_row, book_to_row
from tests.sinks.kit import STREAM

IDS = st.integers(0, 40)
REASONS = st.sampled_from(["overwritten", "scorer_gone"])


@dataclass
class Oracle:
    """One entry per frame: its outcome, or when it was first known."""

    known_s: dict[int, float] = field(default_factory=dict)
    passed_s: dict[int, float] = field(default_factory=dict)
    news_s: float = float("-inf")
    outcomes: dict[int, tuple[Outcome, str | None]] = field(default_factory=dict)

    def admit(self, through: int, now_s: float) -> None:
        for frame_id in range(through):
            self.known_s.setdefault(frame_id, now_s)

    def settle(self, frame_id: int, outcome: Outcome, reason: str | None, now_s: float) -> bool:
        self.admit(frame_id + 1, now_s)
        self.news_s = now_s
        for earlier in range(frame_id):
            self.passed_s.setdefault(earlier, now_s)
        if frame_id in self.outcomes:
            return False
        self.outcomes[frame_id] = (outcome, reason)
        return True

    def expire(self, now_s: float, after_s: float) -> set[int]:
        lost = {
            frame_id
            for frame_id, since_s in self.known_s.items()
            if frame_id not in self.outcomes
            and now_s - since_s >= after_s
            and now_s - min(self.passed_s.get(frame_id, now_s), self.news_s) >= after_s
        }
        for frame_id in lost:
            self.outcomes[frame_id] = (Outcome.UNSCORED, "lost")
        return lost


Step = Callable[[Book, Oracle, float], None]


def _admit(through: int) -> Step:
    def step(book: Book, oracle: Oracle, now_s: float) -> None:
        book.admit(through, now_s)
        oracle.admit(through, now_s)

    return step


def _settle(frame_id: int, outcome: Outcome) -> Step:
    def step(book: Book, oracle: Oracle, now_s: float) -> None:
        fresh = book.settle(frame_id, outcome, "test", now_s)
        assert fresh == oracle.settle(frame_id, outcome, "test", now_s)

    return step


def _drop(first: int, length: int, reason: str) -> Step:
    def step(book: Book, oracle: Oracle, now_s: float) -> None:
        ids = range(first, first + length)
        new = book.settle_range(ids[0], ids[-1], Outcome.UNSCORED, reason, now_s)
        oracle.admit(ids[-1] + 1, now_s)
        expected = {i for i in ids if oracle.settle(i, Outcome.UNSCORED, reason, now_s)}
        assert _members(new) == expected

    return step


def _expire(after_s: int) -> Step:
    def step(book: Book, oracle: Oracle, now_s: float) -> None:
        assert _members(book.expire(now_s, after_s)) == oracle.expire(now_s, after_s)

    return step


STEPS = st.lists(
    st.one_of(
        st.builds(_admit, IDS),
        st.builds(_settle, IDS, st.sampled_from(Outcome)),
        st.builds(_drop, IDS, st.integers(1, 6), REASONS),
        st.builds(_expire, st.integers(1, 5)),
    ),
    max_size=40,
)


def _members(ranges: list[tuple[int, int]]) -> set[int]:
    found = {frame_id for first, last in ranges for frame_id in range(first, last + 1)}
    assert len(found) == size(ranges)
    return found


def _agree(book: Book, oracle: Oracle) -> None:
    assert book.admitted == len(oracle.known_s)
    assert book.counts == Counter(outcome for outcome, _ in oracle.outcomes.values())
    reasons = [reason for outcome, reason in oracle.outcomes.values() if outcome == "UNSCORED"]
    assert book.unscored == Counter(reasons)
    assert book.open_frames == len(oracle.known_s.keys() - oracle.outcomes.keys())
    assert _members(book.settled.ranges()) == set(oracle.outcomes)


@given(STEPS)
def test_book_agrees_with_one_entry_per_frame(steps: list[Step]) -> None:
    book, oracle = Book(STREAM, opened_ns=0), Oracle()
    for now_s, step in enumerate(steps):
        step(book, oracle, float(now_s))
        _agree(book, oracle)
    book.expire(1000.0, 1.0)
    assert book.balanced


@given(STEPS, STEPS)
def test_book_goes_on_after_a_restart(before: list[Step], after: list[Step]) -> None:
    book, oracle = Book(STREAM, opened_ns=0), Oracle()
    for now_s, step in enumerate(before):
        step(book, oracle, float(now_s))
    reloaded = book_from_row({**STREAM._asdict(), **book_to_row(book)})
    assert reloaded == book
    reloaded.resume(100.0)
    oracle.known_s = dict.fromkeys(oracle.known_s, 100.0)
    oracle.passed_s = dict.fromkeys(range(max(oracle.outcomes, default=0)), 100.0)
    oracle.news_s = 100.0
    for now_s, step in enumerate(after):
        step(reloaded, oracle, 100.0 + now_s)
        _agree(reloaded, oracle)


@given(st.permutations(range(30)))
def test_any_order_ends_in_one_interval(order: list[int]) -> None:
    book = Book(STREAM, opened_ns=0)
    for frame_id in order:
        assert book.settle(frame_id, Outcome.PASS, None, 0.0)
        assert not book.settle(frame_id, Outcome.FAIL, None, 0.0)
    assert book.settled.ranges() == [(0, 29)]
    assert book.balanced
    assert not book.closed
    book.close(30, 0.0)
    assert book.closed


def test_memory_stays_bounded_while_frames_wait() -> None:
    book = Book(STREAM, opened_ns=0)
    for frame in range(100_000):
        book.admit(frame + 1, frame * 0.001)
    assert len(book._known) <= 100 / 0.25 + 1
    for frame in range(100_000):
        book.settle(frame, Outcome.PASS, None, 100.0)
    assert not book._known
    assert not book._passed


def test_a_slow_scorer_that_works_on_in_order_loses_nothing() -> None:
    book = Book(STREAM, opened_ns=0)
    book.admit(20, 0.0)
    for frame in range(20):
        assert book.expire(frame * 9.0, 10.0) == []
        book.settle(frame, Outcome.PASS, None, frame * 9.0)
    assert book.balanced


def test_a_frame_that_later_ones_passed_is_lost_after_the_time_out() -> None:
    book = Book(STREAM, opened_ns=0)
    book.admit(3, 0.0)
    book.settle(0, Outcome.PASS, None, 5.0)
    book.settle(2, Outcome.PASS, None, 6.0)
    book.admit(4, 14.0)
    book.settle(3, Outcome.PASS, None, 14.0)
    assert book.expire(15.9, 10.0) == []
    assert book.expire(16.0, 10.0) == [(1, 1)]


@given(st.lists(st.tuples(IDS, st.integers(0, 5))), st.tuples(IDS, st.integers(0, 9)))
def test_intervals_agree_with_a_set(pairs: list[tuple[int, int]], probe: tuple[int, int]) -> None:
    intervals, members = Intervals(), set[int]()
    for first, more in pairs:
        new = _members(intervals.add(first, first + more))
        assert new == set(range(first, first + more + 1)) - members
        members |= new
    assert _members(intervals.ranges()) == members
    wanted = set(range(probe[0], probe[0] + probe[1] + 1))
    assert _members(intervals.gaps(probe[0], probe[0] + probe[1])) == wanted - members
    ranges = intervals.ranges()
    assert all(a[1] + 1 < b[0] for a, b in pairwise(ranges))
