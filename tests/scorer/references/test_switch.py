"""What can be said of a version without loading the model is what the model says."""

from __future__ import annotations

from pathlib import Path

import pytest

from contract.config import ModelSettings
from contract.errors import MemoryMismatch
from scorer.clip.models import known_sha256
from scorer.references.switch import require_manifest_fit
from scorer.scoring.memory import ReferenceMemory, fingerprint_of
from scorer.scoring.winclip import WinClip
from tests.scorer.shelves import line, manifest


@pytest.fixture
def memory(mini: WinClip) -> ReferenceMemory:
    return ReferenceMemory((), 1, mini.fingerprint)


def settings(**changes: object) -> ModelSettings:
    return ModelSettings.model_validate(changes)


def test_the_fingerprint_without_the_model_is_the_models(mini: WinClip) -> None:
    known = fingerprint_of("flawline-mini", known_sha256("flawline-mini", None) or "", "paper")
    assert known == mini.fingerprint


def test_a_memory_of_this_model_fits(memory: ReferenceMemory) -> None:
    require_manifest_fit(manifest(memory, language_weight=0.0), line(), settings())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"preset": "anomalib"}, "preset paper, this scorer has anomalib"),
        ({"language_weight": 0.5}, "language_weight 0, now it is 0.5"),
        ({"name": "ViT-B-32", "pretrained": "openai", "language_weight": 0}, "has ViT-B-32"),
    ],
)
def test_a_memory_of_another_model_does_not(
    memory: ReferenceMemory, changes: dict[str, object], said: str
) -> None:
    with pytest.raises(MemoryMismatch, match=said):
        require_manifest_fit(manifest(memory, language_weight=0.0), line(), settings(**changes))


def test_weights_of_a_file_are_compared_and_those_of_a_tag_are_not(
    memory: ReferenceMemory, tmp_path: Path
) -> None:
    described = manifest(memory, language_weight=0.5, model="ViT-B-32")
    require_manifest_fit(described, line(), settings(name="ViT-B-32", pretrained="openai"))
    weights = tmp_path / "weights.pt"
    weights.write_bytes(b"other")
    with pytest.raises(MemoryMismatch, match="weights_sha256"):
        require_manifest_fit(described, line(), settings(name="ViT-B-32", weights=weights))
    assert known_sha256("ViT-B-32", None) is None


def test_the_other_network_counts_too(mini: WinClip, tmp_path: Path) -> None:
    weights = tmp_path / "dino.pt"
    weights.write_bytes(b"dino")
    sha256 = known_sha256("dino", weights) or ""
    both = fingerprint_of(
        "flawline-mini", mini.fingerprint.weights_sha256, "paper", ("dino", sha256)
    )
    described = manifest(ReferenceMemory((), 1, both), language_weight=0.0)
    chosen = settings(association="dino", association_weights=weights)
    require_manifest_fit(described, line(), chosen)
    weights.write_bytes(b"another")
    with pytest.raises(MemoryMismatch, match="weights_sha256"):
        require_manifest_fit(described, line(), chosen)
