"""Teaching a line with good parts, and the first threshold that comes of it."""

from __future__ import annotations

import hashlib
import math
import os
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch

from contract.clock import SystemClock
from contract.errors import ConfigError, ImageError
from scorer import ReferenceMemory, WinClip
from scorer.references.enrolment import MIN_NORMAL, enroll
from scorer.references.provisional import HELD_OUT, LEAVE_ONE_OUT, leave_one_out_threshold
from scorer.references.shelf import Shelf
from scorer.serving.lines import Lines
from tests.fakes import FakeClock
from tests.scorer.pictures import part, picture
from tests.scorer.shelves import line


@pytest.fixture(scope="module")
def text(mini: WinClip) -> torch.Tensor:
    return mini.text_prototypes("object")


def test_a_taught_line_judges(mini: WinClip, tmp_path: Path) -> None:
    shelf, clock = Shelf(tmp_path), FakeClock()
    images = [part(1)]
    described = enroll(mini, line(object_name="puck"), images, shelf, clock)
    assert shelf.active("bottles") == described.version
    assert described.fingerprint == mini.fingerprint
    assert described.object_name == "puck"
    assert described.num_references == 1
    assert described.image_sha256 == (hashlib.sha256(images[0].tobytes()).hexdigest(),)
    assert described.created_ns == clock.wall_ns()
    assert described.regions == {"bottles-top": None}
    assert described.threshold_method == LEAVE_ONE_OUT
    state = Lines((line(object_name="puck"),), mini, shelf, SystemClock())["bottles"]
    assert state.problem is None
    assert state.thresholds is not None
    assert state.thresholds.fail == described.fail_threshold


def test_the_threshold_lies_above_the_references(mini: WinClip, text: torch.Tensor) -> None:
    parts = [part(seed) for seed in range(2)]
    memory = mini.enroll(parts)
    threshold = leave_one_out_threshold(mini, parts, memory, text).fail_threshold
    scores = mini.score(parts, text=text, memory=memory).anomaly_score
    assert float(scores.max()) <= threshold <= 1.0


def test_more_good_parts_set_the_threshold(mini: WinClip, tmp_path: Path) -> None:
    """By hand from their scores; the memory holds the reference alone."""
    normal = [part(seed) for seed in range(10, 10 + MIN_NORMAL)]
    described = enroll(mini, line(), [part(1)], Shelf(tmp_path), FakeClock(), normal=normal)
    memory, _ = Shelf(tmp_path).load("bottles", described.version)
    scores = mini.score(normal, text=mini.text_prototypes("object"), memory=memory)
    values = scores.anomaly_score.tolist()
    mean = sum(values) / len(values)
    deviation = math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))
    assert described.fail_threshold == pytest.approx(max(mean + 3 * deviation, *values), abs=1e-5)
    assert described.threshold_method == HELD_OUT
    assert described.num_references == memory.num_references == 1


def test_too_few_good_parts_set_no_threshold(mini: WinClip, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"1 normal picture.*at least 8, or none"):
        enroll(mini, line(), [part(1)], Shelf(tmp_path), FakeClock(), normal=[part(2)])
    assert Shelf(tmp_path).versions("bottles") == []


def test_references_at_any_resolution(mini: WinClip) -> None:
    memory = mini.enroll([part(1, 300), part(2, 240)])
    assert memory.num_references == 2
    [bank] = memory.banks
    assert bank.patches.shape == (2 * 225, 192)
    assert [scale.shape[0] for scale in bank.windows] == [2 * 196, 2 * 169]


def test_an_unlike_picture_scores_higher_than_the_reference_itself(
    mini: WinClip, memory: ReferenceMemory
) -> None:
    """No claim on quality: any weights tell a colour field from the one part they know."""
    same, other = mini.score([part(1), picture(3)], memory=memory).anomaly_score.tolist()
    assert same < 1e-5
    assert other > 10 * same


def test_no_reference(mini: WinClip, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="no image given"):
        enroll(mini, line(), [], Shelf(tmp_path), FakeClock())
    assert Shelf(tmp_path).versions("bottles") == []


def test_a_reference_of_another_kind(mini: WinClip, tmp_path: Path) -> None:
    grey = cast("np.ndarray[tuple[int, ...], np.dtype[np.uint8]]", np.zeros((240, 240), np.uint8))
    with pytest.raises(ImageError, match=r"\(240, 240\)"):
        enroll(mini, line(), [grey], Shelf(tmp_path), FakeClock())


def test_an_inspection_size_that_the_model_does_not_take(mini: WinClip, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"bottles.*250 px.*multiple of 16 px, at least 240"):
        enroll(mini, line(inspection_px=250), [part(1)], Shelf(tmp_path), FakeClock())


def test_an_account_without_a_name(
    mini: WinClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Containers often run under a number that no file of accounts knows."""
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 1_234_567)
    described = enroll(mini, line(), [part(1)], Shelf(tmp_path), FakeClock())
    assert described.created_by == "1234567"


def test_what_was_taught_can_be_looked_at(mini: WinClip, tmp_path: Path) -> None:
    shelf, images = Shelf(tmp_path), [part(1), part(2), part(1)]
    names = ["p[1].png", "p[2].png", "again.png"]
    described = enroll(mini, line(), images, shelf, FakeClock(), names=names)
    assert described.reference_names == tuple(names)
    first, _, copy = described.reference_scores
    assert first == pytest.approx(copy, abs=1e-6)
    assert sorted(shelf.pictures("bottles", described.version)) == [
        "contact_sheet.png",
        *(f"reference-000{number}.jpg" for number in range(3)),
    ]
    assert "1 of 3 references repeat another one" in described.warnings[0]
    assert "rests on 3 picture(s)" in described.warnings[1]
    assert len(described.warnings) == 2, "there is no stream to compare with"


def test_a_defective_reference_is_named_by_good_pictures(mini: WinClip, tmp_path: Path) -> None:
    normal = [part(seed) for seed in range(10, 10 + MIN_NORMAL)]
    images, names = [part(1), picture(3), part(2)], ["one.png", "defect.png", "two.png"]
    described = enroll(
        mini, line(), images, Shelf(tmp_path), FakeClock(), names=names, normal=normal
    )
    [warning] = described.warnings
    assert "1 of 3 references are unlike the others: defect.png" in warning
