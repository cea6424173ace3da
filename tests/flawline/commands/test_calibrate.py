"""`flawline calibrate`: from good pictures, or from what a line has scored."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from contract.clock import SystemClock
from contract.config import Config
from contract.config_file import load_config
from contract.errors import ConfigError, MemoryMismatch
from contract.image import list_images, read_image
from contract.messages import Outcome, StreamKey
from flawline.app import app
from scorer import WinClip
from scorer.references.calibration import calibrate
from scorer.references.shelf import Shelf
from scorer.serving.lines import Lines
from scorer.serving.verdicts import Thresholds
from sinks.store.event import Event
from sinks.store.store import Store
from tests.scorer.pictures import part
from tests.scorer.plates import save
from tests.sinks.kit import verdict

CONFIG = """
station: test
data_directory: data
lines:
  - name: belt
    cameras: [{name: left, source: clip.mp4}]
"""
WEIGHT = "scorer: {model: {language_weight: 0.5}}\n"


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A taught line, and twelve more good pictures."""
    home = tmp_path_factory.mktemp("taught")
    (home / "station.yaml").write_text(CONFIG)
    for number in range(14):
        folder = "references" if number < 2 else "normal"
        save(np.ascontiguousarray(part(number)), home / folder / f"{number:02}.png")
    done = call(home, "enroll", "--images", str(home / "references"))
    assert done.startswith("line belt: reference memory")
    assert "a first estimate, without a promise" in done
    assert "warning: the FAIL threshold rests on 2 picture(s)" in done
    sheet = Path(done.split("contact sheet: ")[1].split(" warning")[0])
    assert sheet.is_file()
    assert sheet.parent.parent == home / "data" / "memories" / "belt"
    return home


@pytest.fixture
def home(taught: Path, tmp_path: Path) -> Path:
    """A copy of the taught line."""
    return Path(shutil.copytree(taught, tmp_path / "home"))


def call(home: Path, command: str, *arguments: str) -> str:
    config = ["--line", "belt", "--config", str(home / "station.yaml")]
    result = CliRunner().invoke(app, [command, *arguments, *config], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    # A busy machine takes longer than ten seconds, and is then told how far it is.
    said = re.sub(r"(teaching belt|scoring|comparing pictures): \d+ of \d+\n", "", result.output)
    return " ".join(said.split())


def config_of(home: Path) -> Config:
    return load_config(home / "station.yaml")


def active(home: Path) -> str:
    version = Shelf(config_of(home).memory_directory).active("belt")
    assert version is not None
    return version


def scores_of(home: Path, folder: str) -> list[float]:
    """Scores of pictures against the active memory, one by one."""
    config, model = config_of(home), WinClip.load(dtype="auto", language_weight=0.0)
    state = Lines(config.lines, model, Shelf(config.memory_directory), SystemClock())["belt"]
    return [
        float(
            model.score(
                [read_image(path)], text=state.text, memory=state.memory, tiling=state.tiling
            ).anomaly_score
        )
        for path in list_images(home / folder)
    ]


def test_thresholds_come_from_good_pictures(home: Path) -> None:
    normal = str(home / "normal")
    said = call(
        home, "calibrate", "--normal", normal, "--false-reject-rate", "0.1", "--review-rate", "0.4"
    )
    assert "at most 10.00% of good frames FAIL, on average" in said
    assert "with 95 % confidence at most" in said
    scores = sorted(scores_of(home, "normal"))
    config = config_of(home)
    model = WinClip.load(dtype="auto", language_weight=0.0)
    judge = Lines(config.lines, model, Shelf(config.memory_directory), SystemClock())["belt"].active
    assert judge is not None
    # Of 12 frames the 12th and the 8th: ceil(13 * 0.9) and ceil(13 * 0.6).
    assert judge.thresholds == pytest.approx(Thresholds(scores[11], scores[7]), abs=1e-9)
    assert not scores[11] >= judge.thresholds.fail, "the highest good frame itself passes"
    assert judge.calibration is not None
    assert judge.calibration.scores == pytest.approx(tuple(scores))


def test_it_is_a_new_version_and_can_be_undone(home: Path) -> None:
    shelf = Shelf(config_of(home).memory_directory)
    before = shelf.active("belt")
    said = call(home, "calibrate", "--normal", str(home / "normal"), "--false-reject-rate", "0.1")
    active = shelf.active("belt")
    assert active is not None
    assert active != before
    assert active in said
    assert shelf.previous("belt") == before


def test_too_few_frames(home: Path) -> None:
    with pytest.raises(ConfigError, match=r"12 good .* too few .*0\.005.*at least 199; 12 can"):
        call(home, "calibrate", "--normal", str(home / "normal"))


def test_what_is_too_few_is_said_before_anything_is_scored(home: Path) -> None:
    """Files are counted first: these are no pictures at all, and are never opened."""
    for number in range(39):
        path = home / "many [good]" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
    with pytest.raises(ConfigError, match=r"39 good .* too few .*at least 199; 39 can") as refused:
        call(home, "calibrate", "--normal", str(home / "many [good]"))
    command = str(refused.value).splitlines()[-1].strip()
    assert command == (
        f"flawline calibrate --line belt --normal '{home}/many [good]' "
        f"--config {home}/station.yaml --false-reject-rate 0.025"
    )


def test_the_command_that_is_offered_works(home: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        call(home, "calibrate", "--normal", str(home / "normal"))
    _, *words = shlex.split(str(refused.value).splitlines()[-1])
    result = CliRunner().invoke(app, words, catch_exceptions=False)
    assert "promised: at most 7.70% of good frames FAIL" in result.output
    shelf = Shelf(config_of(home).memory_directory)
    kept = shelf.pictures("belt", active(home))
    assert kept == shelf.pictures("belt", shelf.previous("belt"))
    assert "contact_sheet.png" in kept, "what was taught stays with the calibrated memory"
    assert shelf.manifest("belt", active(home)).warnings == ()


def test_references_are_no_test_of_themselves(home: Path) -> None:
    with pytest.raises(ConfigError, match=r"are references of line belt.*not enrolled"):
        few = ("--normal", str(home / "references"), "--false-reject-rate", "0.4")
        call(home, "calibrate", *few)


def test_a_threshold_of_the_configuration_is_not_overruled_silently(home: Path) -> None:
    path = home / "station.yaml"
    path.write_text(
        path.read_text().replace("- name: belt", "- name: belt\n    fail_threshold: 0.4")
    )
    said = call(home, "calibrate", "--normal", str(home / "normal"), "--false-reject-rate", "0.1")
    assert "the configuration says fail_threshold 0.4" in said


def test_a_review_rate_must_leave_room(home: Path) -> None:
    rates = ("--false-reject-rate", "0.2", "--review-rate", "0.1")
    with pytest.raises(ConfigError, match="above the false-reject rate"):
        call(home, "calibrate", "--normal", str(home / "normal"), *rates)


def fill_store(
    home: Path,
    scores: list[float],
    *,
    version: str | None,
    age_h: float = 0.0,
    dtype: str = "float32",
) -> None:
    """As if the line had scored frames of good parts."""
    config, captured_ns = config_of(home), SystemClock().wall_ns() - int(age_h * 3.6e12)
    events = []
    for number, score in enumerate(scores):
        header = verdict(
            number,
            Outcome.PASS,
            stream=StreamKey("station", "belt", "top", captured_ns),
            captured_ns=captured_ns + number,
            anomaly_score=score,
            memory_version=version,
        )
        judged_by = header.provenance.model_copy(update={"dtype": dtype})
        header = header.model_copy(update={"provenance": judged_by})
        event = Event.of(header, arrived_ns=captured_ns, evidence=None)
        name = f"{captured_ns}-{number}-{version}"[:36]
        events.append(event.model_copy(update={"event_id": name}))
    config.data_directory.mkdir(exist_ok=True)
    with Store.open(config.store_url) as store:
        store.write(events=events, drops=[], books=[])


def test_thresholds_come_from_what_the_line_has_scored(home: Path) -> None:
    shelf = Shelf(config_of(home).memory_directory)
    active = shelf.active("belt")
    fill_store(home, [0.01 * number for number in range(19)], version=active, age_h=1.0)
    fill_store(home, [0.9] * 5, version="another")
    fill_store(home, [0.8] * 5, version=active, age_h=30.0)
    said = call(home, "calibrate", "--from-store", "24", "--false-reject-rate", "0.05")
    assert "split-conformal, from 19 good frames" in said
    version = shelf.active("belt")
    assert version is not None
    assert shelf.manifest("belt", version).fail_threshold == pytest.approx(0.18)
    again = call(home, "calibrate", "--from-store", "24", "--false-reject-rate", "0.1")
    assert "from 19 good frames" in again, "the features are the same, so are the scores"


@pytest.mark.parametrize(
    "change",
    [("- name: belt", "- name: belt\n    object_name: nut"), ("lines:", WEIGHT + "lines:")],
)
def test_scores_of_another_kind_calibrate_nothing(home: Path, change: tuple[str, str]) -> None:
    """Other words, or another share of them: the same references, but other scores."""
    fill_store(home, [0.01 * number for number in range(19)], version=active(home))
    path = home / "station.yaml"
    path.write_text(path.read_text().replace(*change))
    if change[0] == "lines:":
        with pytest.raises(MemoryMismatch, match="language_weight 0, now it is 0"):
            call(home, "calibrate", "--from-store", "24", "--false-reject-rate", "0.05")
    call(home, "enroll", "--images", str(home / "references"))
    with pytest.raises(ConfigError, match="scored no frame in the last 24 h"):
        call(home, "calibrate", "--from-store", "24", "--false-reject-rate", "0.05")


def test_scores_of_another_compute_type_do_not_count(home: Path) -> None:
    shelf = Shelf(config_of(home).memory_directory)
    version = active(home)
    fill_store(home, [0.5] * 5, version=version, age_h=2.0)
    many = [0.01 * number for number in range(19)]
    fill_store(home, many, version=version, age_h=1.0, dtype="bfloat16")
    said = call(home, "calibrate", "--from-store", "24", "--false-reject-rate", "0.05")
    assert "split-conformal, from 19 good frames" in said
    assert shelf.manifest("belt", active(home)).dtype == "bfloat16"


def test_what_is_seen_again_and_again_counts_once(home: Path) -> None:
    """A stopped belt, and one picture copied often, prove no more than one frame."""
    fill_store(home, [0.3] * 40, version=active(home))
    with pytest.raises(ConfigError, match=r"1 good frame.* too few.*at least 19"):
        call(home, "calibrate", "--from-store", "24", "--false-reject-rate", "0.05")
    for number in range(20):
        save(np.ascontiguousarray(part(5)), home / "copies" / f"{number}.png")
    with pytest.raises(ConfigError, match=r"1 good frame.* too few"):
        call(home, "calibrate", "--normal", str(home / "copies"), "--false-reject-rate", "0.05")


def test_another_memory_in_the_meantime_keeps_its_own_thresholds(home: Path) -> None:
    config = config_of(home)
    shelf, line = Shelf(config.memory_directory), config.line("belt")
    before = active(home)
    call(home, "enroll", "--images", str(home / "normal"))
    with pytest.raises(ConfigError, match="another reference memory meanwhile"):
        calibrate(
            shelf,
            line,
            SystemClock(),
            before,
            [0.1] * 19,
            dtype="float32",
            false_reject_rate=0.05,
        )
    assert active(home) not in (before, None)


def test_a_damaged_version_beside_the_active_one_does_not_matter(home: Path) -> None:
    fill_store(home, [0.01 * number for number in range(19)], version=active(home))
    broken = config_of(home).memory_directory / "belt" / "20200101T000000Z-00000000"
    broken.mkdir()
    (broken / "manifest.json").write_text("{")
    said = call(home, "calibrate", "--from-store", "24", "--false-reject-rate", "0.05")
    assert "from 19 good frames" in said


def test_a_line_that_has_scored_nothing(home: Path) -> None:
    fill_store(home, [0.9] * 5, version="another")
    with pytest.raises(ConfigError, match=r"scored no frame in the last 2 h.*--normal"):
        call(home, "calibrate", "--from-store", "2")


def test_the_best_of_many_become_references_and_the_rest_sets_the_threshold(home: Path) -> None:
    save(
        np.random.default_rng(1).integers(0, 255, (240, 240, 3), np.uint8), home / "normal/odd.png"
    )
    said = call(home, "enroll", "--images", str(home / "normal"), "--choose", "3")
    assert "odd.png is unlike all others" in said
    assert "from 3 picture(s) is active" in said
    assert "good pictures that were not enrolled" in said
    names = said.split("references: ")[1].split(" line belt")[0].split(", ")
    assert len(names) == 3
    assert "odd.png" not in names
