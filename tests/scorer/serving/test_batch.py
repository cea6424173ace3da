"""Scoring batches of streams: the cache is exact or audited, and trouble never sticks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from contract.config import CacheSettings
from contract.image import Pixels
from scorer import WinClip
from scorer.clip.presets import PRESETS
from scorer.serving.batch import BatchScorer, Scored
from scorer.serving.lines import LineState, MemoryInUse
from scorer.serving.scheduler import Job
from scorer.serving.verdicts import Thresholds
from tests.scorer.frames import frame
from tests.scorer.pictures import picture
from tests.scorer.shelves import line
from tests.scorer.tiny import tiny_loaded

AUDIT_EVERY = 3


@pytest.fixture(scope="module")
def tiny() -> WinClip:
    return WinClip.of(tiny_loaded(), preset=PRESETS["paper"])


def scorer(model: WinClip, **cache: Any) -> BatchScorer:
    """Lines `bottles` and `cans`; the crops of `cans` are of four tiles."""
    states = {}
    for name, size_px in (("bottles", 64), ("cans", 128)):
        tiling = model.backbone.tiling(size_px)
        memory = model.enroll([picture(9, size_px)], tiling=tiling)
        judge = MemoryInUse(memory, "v1", Thresholds(0.5))
        text = model.text_prototypes("object")
        states[name] = LineState(line(name, inspection_px=size_px), text, tiling, judge)
    return BatchScorer(model, states, CacheSettings.model_validate(cache))


def jobs(*images: Pixels, name: str = "bottles") -> list[Job]:
    return [Job(frame(number, line=name, pixels=each), 0) for number, each in enumerate(images)]


def only(found: list[Scored | None]) -> Scored:
    [one] = found
    assert one is not None
    return one


def test_lines_of_different_tilings_share_a_batch_and_the_cache_changes_nothing(
    tiny: WinClip,
) -> None:
    exact, plain = scorer(tiny, mode="exact"), scorer(tiny, mode="off")
    small, large = picture(1, 64), picture(2, 128)
    moved = large.copy()
    moved[:20, :20] = 0
    for pair in ((small, large), (small, large), (small, moved), (picture(3, 64), moved)):
        batch = jobs(pair[0]) + jobs(pair[1], name="cans")
        for mine, theirs in zip(exact.score(batch), plain.score(batch), strict=True):
            assert mine is not None and theirs is not None
            assert mine.anomaly_score == theirs.anomaly_score
            assert np.array_equal(mine.anomaly_map, theirs.anomaly_map)
    again = exact.score(batch)
    assert [each.reused_fraction for each in again if each] == [1.0, 1.0]


def test_tolerant_reuse_is_audited_and_an_audited_frame_has_the_true_score(tiny: WinClip) -> None:
    tolerant = scorer(tiny, mode="tolerant", tolerance_levels=8, audit_every=AUDIT_EVERY)
    plain = scorer(tiny, mode="off")
    random = np.random.default_rng(3)
    base = np.clip(picture(1, 64), 10, 240)
    errors = []
    for number in range(2 * AUDIT_EVERY + 1):
        noisy = base + random.integers(0, 6, base.shape, dtype=np.uint8)
        found = only(tolerant.score(jobs(noisy)))
        truth = only(plain.score(jobs(noisy)))
        assert found.reused_fraction == (0.0 if number == 0 else 1.0)
        if found.cache_score_error is not None:
            errors.append(found.cache_score_error)
            assert found.anomaly_score == truth.anomaly_score
            assert found.saved_tokens == tiny.backbone.tower.tokens_per_image, (
                "the next frame is cheap again"
            )
    assert len(errors) == 2
    assert all(0 < error < 0.1 for error in errors)


def test_exact_reuse_needs_no_audit(tiny: WinClip) -> None:
    exact = scorer(tiny, mode="exact", audit_every=2)
    found = [only(exact.score(jobs(picture(1, 64)))) for _ in range(6)]
    assert {each.cache_score_error for each in found} == {None}


def test_an_audit_that_gives_no_number_is_no_score(
    tiny: WinClip, monkeypatch: pytest.MonkeyPatch
) -> None:
    tolerant = scorer(tiny, mode="tolerant", audit_every=2)
    image = picture(1, 64)
    for _ in range(2):
        assert np.isfinite(only(tolerant.score(jobs(image))).anomaly_score)
    run = tiny.backbone.tower._run_blocks
    monkeypatch.setattr(
        tiny.backbone.tower, "_run_blocks", lambda *of: torch.full_like(run(*of), torch.nan)
    )
    audited = only(tolerant.score(jobs(image)))
    assert np.isnan(audited.anomaly_score)
    assert audited.cache_score_error is None


def test_a_score_that_is_no_number_is_not_remembered(
    tiny: WinClip, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One bad pass, of a device that stumbled, must not stay in the cache for ever."""
    exact = scorer(tiny, mode="exact")
    run = tiny.backbone.tower._run_blocks
    monkeypatch.setattr(
        tiny.backbone.tower, "_run_blocks", lambda *of: torch.full_like(run(*of), torch.nan)
    )
    assert np.isnan(only(exact.score(jobs(picture(1, 64)))).anomaly_score)
    monkeypatch.setattr(tiny.backbone.tower, "_run_blocks", run)
    found = only(exact.score(jobs(picture(1, 64))))
    assert np.isfinite(found.anomaly_score)
    assert found.reused_fraction == 0.0
