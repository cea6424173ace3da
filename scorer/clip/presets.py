"""Named, frozen settings of WinCLIP: what the paper leaves open, decided."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

NORMAL_STATES: Final = (
    "{}",
    "flawless {}",
    "perfect {}",
    "unblemished {}",
    "{} without flaw",
    "{} without defect",
    "{} without damage",
)
ANOMALOUS_STATES: Final = ("damaged {}", "{} with flaw", "{} with defect", "{} with damage")

_TEMPLATES = (
    "a cropped photo of _ {}.",
    "a close-up photo of _ {}.",
    "a bright photo of _ {}.",
    "a dark photo of _ {}.",
    "a jpeg corrupted photo of _ {}.",
    "a blurry photo of _ {}.",
    "a photo of _ {}.",
    "a photo of _ small {}.",
    "a photo of _ large {}.",
    "a photo of _ {} for visual inspection.",
    "a photo of _ {} for anomaly detection.",
)
_PAPER_TEMPLATES = tuple(
    template.replace("_", article) for template in _TEMPLATES for article in ("a", "the")
)
_ANOMALIB_TEMPLATES = tuple(
    "a jpeg corrupted photo of the {}."
    if template == "a jpeg corrupted photo of a {}."
    else template
    for template in _PAPER_TEMPLATES
    if template != "a cropped photo of a {}."
)


IMAGE: Final = "image"
PATCH: Final = "patch"


def window(side: int) -> str:
    """The name of the scale whose windows are `side` patches wide.

    >>> window(2)
    'window-2'
    """
    return f"window-{side}"


@dataclass(frozen=True)
class Preset:
    """One reading of the paper.

    Attributes:
        name: what a configuration calls it.
        templates: sentences, `{}` standing for an object in a state.
        normal_states, anomalous_states: states, `{}` standing for the object.
        normalise_prompts: scale each prompt's embedding to length 1 before the mean.
        temperature: tau of equation (1).
        underscore_is_space: read `metal_nut` as `metal nut`.
        scales: window sides in patches.
        language_maps: scales whose maps words are asked about, equation (3).
        association_maps: scales compared with references, equation (5).
        average: of windows over a patch, and of scales, for words: `harmonic` or `arithmetic`;
            for references: of windows over a patch.
        two_class: good against bad words, equation (1); else only how unlike the good ones.
    """

    name: str
    templates: tuple[str, ...]
    normalise_prompts: bool
    normal_states: tuple[str, ...] = NORMAL_STATES
    anomalous_states: tuple[str, ...] = ANOMALOUS_STATES
    temperature: float = 0.07
    underscore_is_space: bool = True
    scales: tuple[int, ...] = (2, 3)
    language_maps: tuple[str, ...] = (IMAGE, window(2), window(3))
    association_maps: tuple[str, ...] = (PATCH, window(2), window(3))
    average: str = "harmonic"
    two_class: bool = True


PRESETS: Final = MappingProxyType(
    {
        "paper": Preset("paper", _PAPER_TEMPLATES, normalise_prompts=True),
        "anomalib": Preset(
            "anomalib", _ANOMALIB_TEMPLATES, normalise_prompts=False, underscore_is_space=False
        ),
    }
)


def compose_prompts(preset: Preset, object_name: str, states: tuple[str, ...]) -> tuple[str, ...]:
    """The compositional prompt ensemble of section 4.1: every template with every state.

    >>> compose_prompts(PRESETS["paper"], "metal_nut", ("damaged {}",))[0]
    'a cropped photo of a damaged metal nut.'
    """
    name = object_name.replace("_", " ") if preset.underscore_is_space else object_name
    return tuple(
        template.replace("{}", state.replace("{}", name))
        for state in states
        for template in preset.templates
    )
