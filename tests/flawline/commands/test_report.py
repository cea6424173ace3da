"""`flawline report` over real stores: pages as a browser reads them, CSV, JSON, exit codes."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from pathlib import Path

import pytest

from contract.clock import NS_PER_S, local_text
from contract.messages import Outcome
from flawline.__main__ import run
from flawline.reports.frames_csv import COLUMNS
from tests.flawline.reports.line_store import NOON_NS, LineStore, Page

HOUR_NS = 3600 * NS_PER_S


def report(store: LineStore, *arguments: str, line: str = "belt", seconds: int = 3600) -> int:
    """Report the first `seconds` of the store."""
    return run(
        [
            "report",
            *("--config", str(store.config), "--line", line),
            *("--since", local_text(NOON_NS), "--until", local_text(NOON_NS + seconds * NS_PER_S)),
            *arguments,
        ]
    )


@pytest.fixture
def store(tmp_path: Path) -> LineStore:
    """12 frames of `top` and one of `side`, with every outcome."""
    store = LineStore(tmp_path)
    for frame_id in range(4):
        store.add(frame_id)
    store.add(4, Outcome.FAIL, picture=True, anomaly_score=0.75)
    store.add(5, Outcome.REVIEW, picture=True, anomaly_score=0.45)
    store.add(6, Outcome.LATE, reason="deadline_missed", anomaly_score=0.1)
    store.add(7, Outcome.INVALID, reason="frozen")
    store.lose(8, 10)
    store.add(
        11,
        memory_version="v2",
        fail_threshold=0.6,
        picture=True,
        drift_evidence=1.5,
        drift_alarm="higher",
    )
    store.add(0, camera="side")
    store.admit(12)
    store.save()
    return store


def test_the_index_tells_what_the_line_did(store: LineStore, tmp_path: Path) -> None:
    assert report(store, "--out", str(tmp_path / "out")) == 0
    page = Page(tmp_path / "out" / "index.html")
    for said in (
        f"{local_text(NOON_NS)} to {local_text(NOON_NS + HOUR_NS)}",
        "6 PASS 46.15 %",
        "1 FAIL 7.69 %",
        "3 UNSCORED 23.08 %",
        "13 frames",
        "25.00 % defect rate",
        "yes ledger balanced",
        "UNSCORED overwritten 3 23.08 %",
        "LATE deadline_missed 1",
        "lost before a verdict: 3",
    ):
        assert said in page.words
    assert page.tags["svg"] == 1
    assert "Rejected frames: 2" in page.words


def test_memories_thresholds_and_drift_are_told_with_their_times(
    store: LineStore, tmp_path: Path
) -> None:
    report(store, "--out", str(tmp_path / "out"))
    words = Page(tmp_path / "out" / "index.html").words
    first, last = (local_text(NOON_NS + second * NS_PER_S) for second in (0, 5))
    assert f"{first} {last} top 6 v1 0.5000 0.4000 flawline-mini, paper abababababab" in words
    changed = local_text(NOON_NS + 11 * NS_PER_S)
    assert f"{changed} {changed} top 1 v2 0.6000 0.4000" in words
    assert f"{changed} top 11 higher" in words


def test_pictures_are_relative_links_and_missing_ones_are_said(
    store: LineStore, tmp_path: Path
) -> None:
    [gone] = store.heatmaps.rglob("*-5-REVIEW.jpg")
    gone.unlink()
    report(store, "--out", str(tmp_path / "somewhere" / "else" / "report.html"))
    for name in ("report.html", "report-rejects-1.html"):
        page = Page(tmp_path / "somewhere" / "else" / name)
        assert page.images
        for image in page.images:
            assert page.target(image).is_relative_to(store.heatmaps)
            assert page.target(image).is_file()
        assert "its picture is gone" in page.words
        assert "5-REVIEW" not in page.path.read_text("utf-8")


def test_every_reject_is_on_one_page_and_all_pages_are_linked(tmp_path: Path) -> None:
    store = LineStore(tmp_path)
    for frame_id in range(100):
        store.add(frame_id, Outcome.FAIL, anomaly_score=0.75)
    store.save()
    out = tmp_path / "out"
    assert report(store, "--out", str(out)) == 0
    pages = [Page(out / f"rejects-{number}.html") for number in (1, 2, 3)]
    told = [int(n) for page in pages for n in re.findall(r"top frame (\d+)", page.words)]
    assert told == list(range(100))
    for page in [*pages, Page(out / "index.html")]:
        for link in page.links:
            assert page.target(link).is_file()
    assert {path.name for path in map(pages[0].target, pages[0].links)} == {
        "index.html",
        "rejects-2.html",
        "rejects-3.html",
    }


def test_a_second_report_leaves_no_page_of_the_first(tmp_path: Path) -> None:
    store, out = LineStore(tmp_path), tmp_path / "out"
    for frame_id in range(100):
        store.add(frame_id, Outcome.FAIL, anomaly_score=0.75)
    store.save()
    report(store, "--out", str(out))
    (out / "rejects-9.html").write_text("somebody else's")
    report(store, "--out", str(out), seconds=10)
    assert sorted(path.name for path in out.iterdir()) == [
        "index.html",
        "rejects-1.html",
        "rejects-9.html",
    ]


def test_text_from_outside_cannot_become_markup(tmp_path: Path) -> None:
    store = LineStore(tmp_path)
    evil = "<script>alert(1)</script>\"'&"
    store.add(0, Outcome.FAIL, anomaly_score=0.9, memory_version=evil, model=evil)
    store.save()
    report(store, "--out", str(tmp_path / "out"))
    for path in (tmp_path / "out").iterdir():
        assert Page(path).tags["script"] == 0
    assert evil in Page(tmp_path / "out" / "index.html").words


def test_pages_need_no_network(store: LineStore, tmp_path: Path) -> None:
    report(store, "--out", str(tmp_path / "out"))
    for path in (tmp_path / "out").iterdir():
        assert not re.search(r"""(src|href)=["']?(https?:|//)""", path.read_text("utf-8"))


def test_the_csv_has_a_row_for_every_frame(store: LineStore, tmp_path: Path) -> None:
    target = tmp_path / "frames.csv"
    assert report(store, "--csv", str(target)) == 0
    with target.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert Counter(row["outcome"] for row in rows) == Counter(
        PASS=6, FAIL=1, REVIEW=1, INVALID=1, LATE=1, UNSCORED=3
    )
    assert list(rows[0]) == list(COLUMNS)
    assert [row["time"] for row in rows] == sorted(row["time"] for row in rows)
    frames = {(row["camera"], row["frame_id"]): row for row in rows}
    assert len(frames) == len(rows)
    lost = frames["top", "9"]
    assert (lost["reason"], lost["captured_ns"], lost["anomaly_score"]) == ("overwritten", "", "")
    failed = frames["top", "4"]
    assert failed["time"] == local_text(NOON_NS + 4 * NS_PER_S)
    assert (failed["anomaly_score"], failed["capture_to_verdict_ms"]) == ("0.75", "200")
    assert (store.heatmaps / failed["evidence"]).is_file()
    assert not (tmp_path / "report-belt").exists()


def test_the_columns_are_documented() -> None:
    text = (Path(__file__).parents[3] / "docs" / "reports.md").read_text("utf-8")
    assert dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", text, re.MULTILINE)) == COLUMNS


def test_text_in_the_csv_is_no_formula(tmp_path: Path) -> None:
    store, target = LineStore(tmp_path), tmp_path / "frames.csv"
    store.add(0, memory_version='=HYPERLINK("x")')
    store.save()
    report(store, "--csv", str(target))
    with target.open(newline="") as file:
        [row] = csv.DictReader(file)
    assert row["memory_version"] == '\'=HYPERLINK("x")'


def test_the_json_says_the_same(store: LineStore, capsys: pytest.CaptureFixture[str]) -> None:
    assert report(store, "--json", "-") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["frames"] == 13
    assert found["outcomes"]["UNSCORED"] == 3
    assert found["defect_rate"] == pytest.approx(0.25)
    assert found["ledger"]["balanced"] is True
    assert sum(sum(each["outcomes"].values()) for each in found["timeline"]["bins"]) == 13
    assert [use["memory_version"] for use in found["uses"] if use["camera"] == "top"] == [
        "v1",
        "v2",
    ]
    assert [alarm["frame_id"] for alarm in found["drift_alarms"]] == [11]


def test_a_period_without_frames_is_said_and_reported(
    store: LineStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--config", str(store.config), "--line", "belt", "--out", str(tmp_path / "o")]
    assert run(["report", *arguments, "--since", "2001-01-01", "--until", "2001-01-02"]) == 0
    said = capsys.readouterr().err
    assert "line belt: no frames from 2001-01-01 00:00:00" in said
    assert f"its newest news is of {local_text(NOON_NS + 11 * NS_PER_S)}" in said
    words = Page(tmp_path / "o" / "index.html").words
    assert "No frame of this line" in words
    assert "are deleted by age (sinks.event_max_age_days)" in words


def test_a_line_that_never_ran_is_said(
    store: LineStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report(store, "--out", str(tmp_path / "out"), line="idle") == 0
    assert "no camera of this line ever ran" in capsys.readouterr().err
    assert "- ledger balanced" in Page(tmp_path / "out" / "index.html").words


def test_a_ledger_that_does_not_balance_is_exit_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = LineStore(tmp_path)
    store.add(0)
    store.admit(3)
    store.save()
    assert report(store, "--out", str(tmp_path / "out")) == 1
    assert "no ledger balanced" in Page(tmp_path / "out" / "index.html").words
    assert "the ledger does not balance" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--line", "nowhere"], 2, "there is no line nowhere: the lines are belt, idle"),
        ([], 2, "--line is missing: the lines are belt, idle"),
        (["--line", "belt", "--since", "yesterday"], 2, "--since yesterday: a time such as"),
        (["--line", "belt", "--since", "1h", "--until", "2h"], 2, "--since must be before"),
        (["--line", "belt", "--csv", "-", "--json", "-"], 2, "only one of them"),
        (["--line", "belt", "--csv", "/nowhere/x.csv"], 1, "there is no folder /nowhere"),
        (["--line", "belt", "--out", "/proc/x"], 1, "cannot write /proc/x"),
    ],
)
def test_what_is_wrong_is_one_clear_line(
    store: LineStore,
    arguments: list[str],
    code: int,
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["report", "--config", str(store.config), *arguments]) == code
    assert said in capsys.readouterr().err


def test_without_a_store_nothing_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = LineStore(tmp_path)
    assert report(store, "--out", str(tmp_path / "out")) == 1
    assert "there is no event store" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
