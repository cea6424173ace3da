"""The prompt lists, written out once more by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scorer.clip.presets import PRESETS, compose_prompts

PAPER_TEMPLATES = {
    "a cropped photo of a {}.",
    "a cropped photo of the {}.",
    "a close-up photo of a {}.",
    "a close-up photo of the {}.",
    "a bright photo of a {}.",
    "a bright photo of the {}.",
    "a dark photo of a {}.",
    "a dark photo of the {}.",
    "a jpeg corrupted photo of a {}.",
    "a jpeg corrupted photo of the {}.",
    "a blurry photo of a {}.",
    "a blurry photo of the {}.",
    "a photo of a {}.",
    "a photo of the {}.",
    "a photo of a small {}.",
    "a photo of the small {}.",
    "a photo of a large {}.",
    "a photo of the large {}.",
    "a photo of a {} for visual inspection.",
    "a photo of the {} for visual inspection.",
    "a photo of a {} for anomaly detection.",
    "a photo of the {} for anomaly detection.",
}


def test_the_papers_templates() -> None:
    templates = PRESETS["paper"].templates
    assert len(templates) == 22
    assert set(templates) == PAPER_TEMPLATES


def test_anomalibs_templates_have_its_slip() -> None:
    templates = PRESETS["anomalib"].templates
    assert len(templates) == 21
    assert set(templates) == PAPER_TEMPLATES - {
        "a cropped photo of a {}.",
        "a jpeg corrupted photo of a {}.",
    }
    assert templates.count("a jpeg corrupted photo of the {}.") == 2


@pytest.mark.parametrize("preset", list(PRESETS.values()), ids=lambda preset: preset.name)
def test_states_temperature_and_scales(preset: object) -> None:
    assert preset in PRESETS.values()
    for each in PRESETS.values():
        assert each.normal_states == (
            "{}",
            "flawless {}",
            "perfect {}",
            "unblemished {}",
            "{} without flaw",
            "{} without defect",
            "{} without damage",
        )
        assert each.anomalous_states == (
            "damaged {}",
            "{} with flaw",
            "{} with defect",
            "{} with damage",
        )
        assert each.temperature == 0.07
        assert each.scales == (2, 3)


def test_number_of_prompts() -> None:
    for name, templates in (("paper", 22), ("anomalib", 21)):
        preset = PRESETS[name]
        assert len(compose_prompts(preset, "nut", preset.normal_states)) == 7 * templates
        assert len(compose_prompts(preset, "nut", preset.anomalous_states)) == 4 * templates


def test_underscores() -> None:
    states = ("damaged {}",)
    paper = compose_prompts(PRESETS["paper"], "metal_nut", states)
    anomalib = compose_prompts(PRESETS["anomalib"], "metal_nut", states)
    assert "a photo of the damaged metal nut." in paper
    assert "a photo of the damaged metal_nut." in anomalib


@given(st.text(max_size=20), st.text(max_size=20))
def test_any_words_may_stand_around_the_object(before: str, after: str) -> None:
    """A state is words, not a format string: braces in it are braces."""
    state = before.replace("{}", "") + "{}" + after.replace("{}", "")
    prompts = compose_prompts(PRESETS["anomalib"], "nut", (state,))
    if state.count("{}") == 1:
        assert f"a photo of a {state.replace('{}', 'nut')}." in prompts
