"""A line follows its active memory; one that cannot be used leaves the one in use alone."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from contract.errors import ConfigError, FlawlineError, MemoryMismatch, StorageError
from scorer import ReferenceMemory, WinClip
from scorer.references.manifest import mask_sha256
from scorer.references.shelf import Shelf
from scorer.serving.lines import RETRY_S, Lines
from scorer.serving.verdicts import Thresholds
from tests.fakes import FakeClock
from tests.scorer.pictures import part
from tests.scorer.shelves import LATER, VERSION, WHO, line, manifest


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def lines(mini: WinClip, memory: ReferenceMemory, shelf: Shelf, clock: FakeClock) -> Lines:
    """One line with an active memory."""
    put(shelf, memory, VERSION)
    return Lines((line(),), mini, shelf, clock)


def put(shelf: Shelf, memory: ReferenceMemory, version: str, **changes: object) -> None:
    """Save and activate."""
    shelf.save(memory, manifest(memory, version=version, **changes))
    shelf.activate("bottles", version, **WHO)


def test_an_active_memory_is_loaded(lines: Lines) -> None:
    state = lines["bottles"]
    assert state.memory_version == VERSION
    assert state.memory is not None
    assert state.thresholds == Thresholds(0.25)
    assert state.problem is None
    assert list(lines) == ["bottles"]
    assert len(lines) == 1


def test_a_line_without_memory_cannot_judge(mini: WinClip, shelf: Shelf) -> None:
    assert Lines((line(),), mini, shelf, FakeClock())["bottles"].problem == "no_reference"


def test_a_line_may_judge_by_words_alone(mini: WinClip, shelf: Shelf) -> None:
    state = Lines((line(zero_shot_threshold=0.5, fail_threshold=0.1),), mini, shelf, FakeClock())[
        "bottles"
    ]
    assert state.problem is None
    assert state.memory is None
    assert state.thresholds == Thresholds(0.5)
    assert state.needs == mini.needs(text=state.text, memory=None), "no more than words need"


def test_the_configured_threshold_counts_more_than_the_enrolled_one(
    mini: WinClip, memory: ReferenceMemory, shelf: Shelf
) -> None:
    put(shelf, memory, VERSION)
    configured = line(fail_threshold=0.6, review_threshold=0.4)
    assert Lines((configured,), mini, shelf, FakeClock())["bottles"].thresholds == Thresholds(
        0.6, 0.4
    )


def test_thresholds_of_another_compute_type_are_complained_of(
    mini: WinClip, memory: ReferenceMemory, shelf: Shelf, caplog: pytest.LogCaptureFixture
) -> None:
    put(shelf, memory, VERSION, dtype="bfloat16")
    Lines((line(fail_threshold=0.6),), mini, shelf, FakeClock())
    assert not caplog.records, "a threshold of the file rests on nothing"
    assert Lines((line(),), mini, shelf, FakeClock())["bottles"].problem is None
    [told] = caplog.messages
    assert "computed in bfloat16; those in float32 differ by up to about 0.0015" in told
    assert "calibrate it again" in told


def test_a_new_memory_is_followed(lines: Lines, shelf: Shelf, memory: ReferenceMemory) -> None:
    put(shelf, memory, LATER, fail_threshold=0.3)
    assert lines["bottles"].memory_version == VERSION
    lines.reload()
    assert lines["bottles"].memory_version == LATER
    assert lines["bottles"].thresholds == Thresholds(0.3)
    shelf.activate("bottles", VERSION, **WHO)
    lines.reload()
    assert lines["bottles"].memory_version == VERSION


def test_a_memory_made_while_running_is_followed(
    mini: WinClip, shelf: Shelf, memory: ReferenceMemory
) -> None:
    lines = Lines((line(),), mini, shelf, FakeClock())
    put(shelf, memory, VERSION)
    lines.reload()
    assert lines["bottles"].problem is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model": "ViT-B-32"}, "made with model ViT-B-32"),
        ({"weights_sha256": "00" * 32}, "made with weights_sha256 0000000000000000"),
        ({"preset": "anomalib"}, "made with preset anomalib, this scorer has paper"),
        ({"inspection_px": 480}, "made at 480 px"),
        (
            {"regions": {"bottles-top": {"x_px": 0, "y_px": 0, "width_px": 64, "height_px": 64}}},
            "made with region 64x64",
        ),
        ({"num_references": 0}, "is empty"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_mismatch_is_refused_with_its_reason(
    mini: WinClip,
    lines: Lines,
    shelf: Shelf,
    memory: ReferenceMemory,
    caplog: pytest.LogCaptureFixture,
    changes: dict[str, object],
    said: str,
) -> None:
    put(shelf, memory, LATER, **changes)
    with caplog.at_level(logging.ERROR):
        lines.reload()
    assert said in caplog.text
    assert "enroll the line again" in caplog.text
    assert lines["bottles"].memory_version == VERSION
    assert lines["bottles"].problem is None
    started_anew = Lines((line(),), mini, shelf, FakeClock())["bottles"]
    assert started_anew.problem == "memory_mismatch"
    assert started_anew.memory is None
    with pytest.raises(MemoryMismatch, match=said):
        lines.fetch("bottles", LATER)


@pytest.mark.parametrize("damage", ["tensors", "pointer", "binary pointer", "gone"])
def test_damage_leaves_the_memory_in_use_alone(
    mini: WinClip,
    lines: Lines,
    shelf: Shelf,
    memory: ReferenceMemory,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    damage: str,
) -> None:
    put(shelf, memory, LATER)
    home = tmp_path / "bottles"
    if damage == "tensors":
        (home / LATER / "memory.safetensors").write_bytes(b"half")
    elif damage == "pointer":
        (home / "active").write_text("a version of next year")
    elif damage == "binary pointer":
        (home / "active").write_bytes(b"\xff\xfe")
    else:
        (home / LATER / "manifest.json").unlink()
    with caplog.at_level(logging.ERROR):
        lines.reload()
    assert "line bottles: " in caplog.text
    assert lines["bottles"].memory_version == VERSION
    assert lines["bottles"].memory is not None
    assert Lines((line(),), mini, shelf, FakeClock())["bottles"].problem == "memory_damaged"


def test_a_refusal_is_told_once(
    lines: Lines, shelf: Shelf, memory: ReferenceMemory, caplog: pytest.LogCaptureFixture
) -> None:
    put(shelf, memory, LATER, preset="anomalib")
    for _ in range(3):
        lines.reload()
    assert len([record for record in caplog.records if record.levelno == logging.ERROR]) == 1


def test_an_unreadable_pointer_is_told_once_until_it_is_tried_again(
    lines: Lines, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "bottles" / "active").write_bytes(b"\xff\xfe")
    for _ in range(3):
        lines.reload()
    assert len([record for record in caplog.records if record.levelno == logging.ERROR]) == 1
    (tmp_path / "bottles" / "active").write_text(VERSION)
    lines.reload()
    assert lines["bottles"].memory_version == VERSION
    assert lines["bottles"].problem is None


def test_a_line_recovers_once_a_good_memory_is_active(
    mini: WinClip, shelf: Shelf, memory: ReferenceMemory
) -> None:
    put(shelf, memory, VERSION, preset="anomalib")
    lines = Lines((line(),), mini, shelf, FakeClock())
    assert lines["bottles"].problem == "memory_mismatch"
    put(shelf, memory, LATER)
    lines.reload()
    assert lines["bottles"].problem is None


def test_a_pointer_that_was_removed(lines: Lines, tmp_path: Path) -> None:
    (tmp_path / "bottles" / "active").unlink()
    lines.reload()
    assert lines["bottles"].problem == "no_reference"
    assert lines["bottles"].memory is None


def test_an_inspection_size_that_the_model_does_not_take(mini: WinClip, shelf: Shelf) -> None:
    with pytest.raises(ConfigError, match=r"bottles.*128 px.*at least 240"):
        Lines((line(inspection_px=128),), mini, shelf, FakeClock())


def test_each_line_has_words_of_its_own(mini: WinClip, shelf: Shelf) -> None:
    lines = Lines((line(), line("cans", anomalous_states=("dented {}",))), mini, shelf, FakeClock())
    assert (lines["bottles"].text - lines["cans"].text).abs().max() > 1e-4


def test_a_memory_cannot_be_fetched_for_another_line(lines: Lines) -> None:
    with pytest.raises(StorageError, match="has no reference memory"):
        lines.fetch("bottles", LATER)
    with pytest.raises((KeyError, FlawlineError)):
        lines.fetch("cans", VERSION)


def test_scoring_with_anothers_memory_is_refused(mini: WinClip, memory: ReferenceMemory) -> None:
    """The last line of defence, below the shelf."""
    other = replace(memory, fingerprint=memory.fingerprint._replace(preset="anomalib"))
    features = mini.backbone.features(mini.backbone.preprocess([part(1)]))
    with pytest.raises(MemoryMismatch):
        mini.score_features(features, memory=other)
    with pytest.raises(FlawlineError, match="nothing to score against"):
        mini.score_features(features)


def test_a_shadow_is_followed_and_a_damaged_one_disturbs_nobody(
    lines: Lines, shelf: Shelf, memory: ReferenceMemory, tmp_path: Path
) -> None:
    shelf.save(memory, manifest(memory, version=LATER, fail_threshold=0.3))
    shelf.shadow("bottles", LATER, **WHO)
    lines.reload()
    shadow = lines["bottles"].shadow
    assert shadow is not None
    assert (shadow.version, shadow.thresholds) == (LATER, Thresholds(0.3))
    assert lines["bottles"].memory_version == VERSION
    shelf.shadow("bottles", None, **WHO)
    lines.reload()
    assert lines["bottles"].shadow is None
    (tmp_path / "bottles" / LATER / "memory.safetensors").write_bytes(b"rubbish")
    shelf.shadow("bottles", LATER, **WHO)
    lines.reload()
    assert lines["bottles"].shadow is None
    assert lines["bottles"].memory_version == VERSION
    assert lines["bottles"].problem is None


def test_a_memory_of_another_mask_or_tiling_is_refused(
    mini: WinClip, memory: ReferenceMemory, shelf: Shelf, tmp_path: Path
) -> None:
    put(shelf, memory, VERSION)
    mask = tmp_path / "mask.png"
    Image.fromarray(np.full((8, 8), 255, np.uint8)).save(mask)
    for changed in (line(mask=mask), line(tile_overlap_px=32), line(tile_memory="pooled")):
        assert Lines((changed,), mini, shelf, FakeClock())["bottles"].problem == "memory_mismatch"


def test_a_memory_of_a_mask_that_is_newer_than_the_one_in_use_is_refused(
    mini: WinClip, memory: ReferenceMemory, shelf: Shelf, tmp_path: Path
) -> None:
    """The scorer looks through the mask that it read at its start."""
    mask = tmp_path / "mask.png"
    Image.fromarray(np.full((8, 8), 255, np.uint8)).save(mask)
    masked = line(mask=mask)
    put(shelf, memory, VERSION, mask_sha256=mask_sha256(masked))
    lines = Lines((masked,), mini, shelf, FakeClock())
    assert lines["bottles"].memory_version == VERSION
    Image.fromarray(np.eye(8, dtype=np.uint8) * 255).save(mask)
    put(shelf, memory, LATER, mask_sha256=mask_sha256(masked))
    with pytest.raises(MemoryMismatch, match=r"another mask .*start the scorer again"):
        lines.fetch("bottles", LATER)
    lines.reload()
    assert lines["bottles"].memory_version == VERSION
    assert Lines((masked,), mini, shelf, FakeClock())["bottles"].memory_version == LATER


def test_a_memory_that_finds_no_room_leaves_the_line_alone_and_is_tried_again(
    lines: Lines,
    clock: FakeClock,
    shelf: Shelf,
    memory: ReferenceMemory,
    mini: WinClip,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    put(shelf, memory, LATER)
    with monkeypatch.context() as full:
        full.setattr(
            mini, "adopt", lambda memory: (_ for _ in ()).throw(torch.OutOfMemoryError("CUDA"))
        )
        lines.reload()
        assert lines["bottles"].memory_version == VERSION
        assert lines["bottles"].problem is None
    assert "does not fit cpu (OutOfMemoryError)" in caplog.text
    clock.advance(RETRY_S - 0.1)
    lines.reload()
    assert lines["bottles"].memory_version == VERSION, "not yet"
    clock.advance(0.1)
    lines.reload()
    assert lines["bottles"].memory_version == LATER


def test_the_cost_of_a_frame_grows_with_its_references(
    lines: Lines, shelf: Shelf, memory: ReferenceMemory
) -> None:
    """A thousand references take longer to compare with than the picture takes to look at."""
    state = lines["bottles"]
    assert state.active is not None
    compared = state.num_tokens - state.tiling.num_tokens
    many = ReferenceMemory.cat([memory] * 10)
    put(shelf, many, LATER)
    lines.reload()
    assert lines["bottles"].num_tokens - state.tiling.num_tokens == pytest.approx(
        10 * compared, rel=0.1
    )


def test_a_mask_that_cannot_be_used_is_a_configuration_error(
    mini: WinClip, shelf: Shelf, tmp_path: Path
) -> None:
    mask = tmp_path / "mask.png"
    with pytest.raises(ConfigError, match=r"line bottles: .*mask"):
        Lines((line(mask=mask),), mini, shelf, FakeClock())
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(mask)
    with pytest.raises(ConfigError, match="mask without any inspected pixel"):
        Lines((line(mask=mask),), mini, shelf, FakeClock())
