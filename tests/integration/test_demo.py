"""`flawline demo` as a stranger types it: ends by itself, with numbers that are true."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from importlib.resources import files
from pathlib import Path

import pytest

from contract.messages import Outcome
from flawline.demo.truth import Truth
from sinks.store.store import Store


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder that a demo left, and the summary that it printed."""
    directory = tmp_path_factory.mktemp("demo") / "out"
    ran = subprocess.run(
        [sys.executable, "-m", "flawline", "demo", "--out", str(directory)],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return directory, ran.stdout[ran.stdout.index("frames decoded") :]


def number(pattern: str, text: str) -> int:
    found = re.search(pattern, text)
    assert found, f"{pattern!r} not in:\n{text}"
    return int(found[1])


def test_the_summary_is_what_the_store_holds(demo: tuple[Path, str]) -> None:
    directory, printed = demo
    truth = Truth.load(Path(str(files("flawline") / "assets" / "demo" / "truth.json")))
    with Store.open_existing(f"sqlite:///{directory / 'events.db'}") as store:
        [audit] = store.audit()
        events = list(store.events())
    assert audit.agrees
    assert audit.book.balanced
    assert "ledger balanced: yes" in printed
    assert number(r"frames decoded +(\d+)", printed) == truth.num_frames == audit.book.decoded
    assert number(r"frames admitted +(\d+)", printed) == audit.book.admitted
    for outcome in Outcome:
        assert number(rf"(\d+) {outcome}\b", printed) == audit.book.counts[outcome]
    assert Counter(e.outcome for e in events)[Outcome.FAIL] == audit.book.counts[Outcome.FAIL]


def test_every_part_is_accounted_for(demo: tuple[Path, str]) -> None:
    _, printed = demo
    truth = Truth.load(Path(str(files("flawline") / "assets" / "demo" / "truth.json")))
    defective = sum(part.defect is not None for part in truth.parts)
    assert number(r"parts +(\d+) passed", printed) == len(truth.parts)
    assert number(r"(\d+) of them defective", printed) == defective
    uninspected = re.search(r"(\d+) uninspected", printed)
    told = sum(
        number(pattern, printed)
        for pattern in (r"(\d+) found", r"(\d+) missed", r"good: (\d+) passed", r"(\d+) rejected f")
    )
    assert told + (int(uninspected[1]) if uninspected else 0) == len(truth.parts)


def test_defects_are_found_and_good_parts_pass(demo: tuple[Path, str]) -> None:
    """A floor, far below what the embedded model does: a gate that finds nothing fails it."""
    _, printed = demo
    found, missed = number(r"(\d+) found", printed), number(r"(\d+) missed", printed)
    passed, refused = number(r"good: (\d+) passed", printed), number(r"(\d+) rejected f", printed)
    assert found > missed
    assert passed > 5 * refused


def test_the_report_is_one_file_that_needs_no_network(demo: tuple[Path, str]) -> None:
    directory, _ = demo
    html = (directory / "report.html").read_text("utf-8")
    assert "<svg" in html
    assert "ledger balanced" in html
    assert not re.search(r"""(src|href)=["']?https?:""", html)
    fails = list((directory / "heatmaps").rglob("*-FAIL.jpg"))
    assert fails
    assert "data:image/jpeg;base64," in html
