"""Frames that ended without a verdict, read back page by page."""

from __future__ import annotations

from pathlib import Path

from contract.clock import NS_PER_S
from sinks.store.rows import Drop
from sinks.store.store import PAGE, Store
from tests.sinks.kit import STREAM

T0_NS = 1_790_000_000 * NS_PER_S


def _drop(number: int, *, line: str = STREAM.line) -> Drop:
    """Two drops share each moment."""
    return Drop(
        **STREAM._replace(line=line)._asdict(),
        first_frame_id=number,
        last_frame_id=number,
        reason="lost",
        noted_ns=T0_NS + number // 2,
    )


def test_every_drop_of_the_line_and_period_comes_once_and_in_order(tmp_path: Path) -> None:
    drops = [_drop(number) for number in range(2 * PAGE + 7)]
    with Store.open(f"sqlite:///{tmp_path / 'events.db'}") as store:
        store.write(events=[], drops=[*drops, _drop(5, line="other")], books=[])
        found = store.losses(line="belt", since_ns=T0_NS, until_ns=T0_NS + PAGE * 9)
        assert list(found) == drops
        some = store.losses(line="belt", since_ns=T0_NS + 2, until_ns=T0_NS + 4)
        assert [drop.first_frame_id for drop in some] == [4, 5, 6, 7]
