"""What was judged survives the process that judged it, until it is stored."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from contract.errors import StorageError
from contract.messages import Outcome
from contract.telling import Telling, Told
from sinks import journal as module
from sinks.arrival import Arrival, Arrivals
from sinks.journal import Journal
from sinks.metrics.metrics import Metrics
from tests.fakes import FakeClock
from tests.sinks.kit import STREAM, arrival, clocks, metrics, value_of, verdict


def opened(path: Path, numbers: Metrics | None = None) -> closing[Journal]:
    return closing(Journal(path, clock=FakeClock(), metrics=numbers or metrics()))


def left_behind(path: Path) -> list[Arrival]:
    with opened(path) as journal:
        return journal.left_behind()


def frames(arrivals: list[Arrival]) -> list[tuple[int, Outcome, Outcome]]:
    return [(each.header.frame_id, each.header.outcome, each.sent) for each in arrivals]


def test_a_judgement_is_found_again_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "data" / "judged.journal"
    told = [arrival(verdict(0)), arrival(verdict(1, deadline_ns=1))]
    with opened(path) as journal:
        assert journal.left_behind() == []
        for each in told:
            journal.note(each)
    found = left_behind(path)
    assert frames(found) == [(0, Outcome.PASS, Outcome.PASS), (1, Outcome.LATE, Outcome.PASS)]
    assert [each.header for each in found] == [each.header for each in told]
    assert not any(each.first or each.identity for each in found)
    arrivals = Arrivals(clocks())
    for each in found:
        arrivals.conclude(each)
    again = [arrivals.take(b"", verdict(n, deadline_ns=1), 5000) for n in range(2)]
    assert [each.header.outcome for each in again] == [Outcome.PASS, Outcome.LATE]
    assert not any(each.first for each in again)


def test_the_last_note_of_a_frame_counts(tmp_path: Path) -> None:
    """Before it is told, and with what came of that."""
    path = tmp_path / "judged.journal"
    perhaps = Telling(name="gate", told=Told.UNKNOWN)
    told = Telling(name="gate", told=Told.PASS, told_ns=5, num_results=2)
    with opened(path) as journal:
        for frame_id in range(2):
            journal.note(arrival(verdict(frame_id)).with_telling(perhaps))
        journal.note(arrival(verdict(0)).with_telling(told))
    assert [each.telling for each in left_behind(path)] == [told, perhaps]


def test_what_is_stored_is_forgotten_and_the_file_stays_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SHORTEN_BYTES", 2000)
    path = tmp_path / "judged.journal"
    with opened(path) as journal:
        for frame_id in range(1000):
            journal.note(arrival(verdict(frame_id)))
            if frame_id != 7:
                journal.stored([(STREAM, frame_id)])
            assert path.stat().st_size < 6000
    assert [each.header.frame_id for each in left_behind(path)] == [7]


def test_nothing_stays_once_all_is_stored(tmp_path: Path) -> None:
    """A note of a stored frame would be booked again in another store."""
    path = tmp_path / "judged.journal"
    with opened(path) as journal:
        for frame_id in range(3):
            journal.note(arrival(verdict(frame_id)))
        journal.stored([(STREAM, 1)])
        assert [each.header.frame_id for each in journal.left_behind()] == [0, 1, 2]
        journal.stored((STREAM, frame_id) for frame_id in range(3))
        assert path.stat().st_size == 0
        journal.note(arrival(verdict(3)))
        assert [each.header.frame_id for each in journal.left_behind()] == [3]


def test_a_line_that_was_cut_off_does_not_hide_the_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "judged.journal"
    with opened(path) as journal:
        for frame_id in range(3):
            journal.note(arrival(verdict(frame_id)))
    whole = path.read_bytes()
    for cut in (1, 30, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:cut])
        assert len(left_behind(path)) == max(0, whole[:cut].count(b"\n") - 1)
    path.write_bytes(b"\xff\x00 nonsense\n1 PERHAPS {}" + whole)
    assert len(left_behind(path)) == 3
    with path.open("ab") as file:
        file.write(whole[:50])
    with opened(path) as journal:
        journal.left_behind()
        journal.note(arrival(verdict(3)))
        assert [each.header.frame_id for each in journal.left_behind()] == [0, 1, 2, 3]
    assert "1 notes cannot be read" in caplog.text


def test_a_journal_that_cannot_be_written_is_counted_and_disturbs_nobody(tmp_path: Path) -> None:
    numbers = metrics()
    path = tmp_path / "judged.journal"
    with opened(path, numbers) as journal:
        journal.note(arrival(verdict(0)))
        journal._close()
        path.unlink()
        path.mkdir()
        journal.note(arrival(verdict(1)))
        labels = {"sink": "journal", "reason": "disk"}
        assert value_of(numbers, "sink_errors_total", **labels) == 1
        path.rmdir()
        journal.note(arrival(verdict(2)))
        assert [each.header.frame_id for each in left_behind(path)] == [2]
    assert [each.header.frame_id for each in left_behind(path)] == [0, 1, 2], "once it is closed"


def test_a_journal_that_cannot_be_begun_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    with pytest.raises(StorageError, match=r"cannot write .*judged.journal"):
        opened(tmp_path / "data" / "judged.journal")
