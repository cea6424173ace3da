"""The model that a configuration asks for."""

from __future__ import annotations

from contract.config import Model as ModelSettings
from scorer.models import MINI
from scorer.winclip import PAPER_LANGUAGE_WEIGHT, WinClip


def language_weight_of(settings: ModelSettings) -> float:
    """The share of words that a configuration asks for.

    Left open, it is the paper's, but 0 for `flawline-mini`: its words separate good from bad far
    worse than its references do, and would only blur their score.
    """
    if settings.language_weight is not None:
        return settings.language_weight
    return 0.0 if settings.name == MINI else PAPER_LANGUAGE_WEIGHT


def load_model(settings: ModelSettings) -> WinClip:
    """The model that a configuration asks for.

    Raises:
        ModelError: as `WinClip.load`.
    """
    return WinClip.load(
        settings.name,
        weights=settings.weights,
        pretrained=settings.pretrained,
        preset=settings.preset,
        device=settings.device,
        dtype=settings.dtype,
        language_weight=language_weight_of(settings),
        compiler="inductor" if settings.compile else None,
        association=settings.association,
        association_weights=settings.association_weights,
    )
