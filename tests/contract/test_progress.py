"""Work that gets on is told from work that does not."""

from __future__ import annotations

from contract.progress import Progress
from tests.fakes import FakeClock


def test_only_change_is_progress() -> None:
    clock = FakeClock()
    progress = Progress(clock)
    clock.advance(5)
    assert progress.stalled_s == 5
    progress.note(1)
    assert progress.stalled_s == 0
    clock.advance(7)
    progress.note(1)
    assert progress.stalled_s == 7
    progress.note(2)
    assert progress.stalled_s == 0
