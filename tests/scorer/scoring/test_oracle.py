"""Scores and maps equal those of the naive oracle: the bundled model and the paper's real size."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

import scorer.scoring.winclip
from scorer import ReferenceMemory, Result, WinClip
from scorer.clip.models import load_clip
from scorer.clip.presets import PRESETS, Preset
from scorer.scoring.memory import Bank
from scorer.windows.features import Features
from tests.scorer import oracle
from tests.scorer.pictures import picture

pytestmark = pytest.mark.timeout(1800)  # the oracle of the real size takes its time

MAX_ERROR = 1e-5
PAPER_MODEL = "ViT-B-16-plus-240"
OBJECT = "metal_nut"
NORMAL = ("{} with clean thread",)
ANOMALOUS = ("bent {}", "{} flipped upside down")
SCALES = (2, 3)
# Sentences of the ensemble that the real-size text tower reads: at full length all take minutes.
REAL_TEMPLATES = slice(0, None, 11)


@dataclass(frozen=True)
class Pair:
    """The same images in the eyes of the scorer and of the oracle."""

    clip: Any
    tokenizer: Callable[[list[str]], Tensor]
    models: dict[str, WinClip]
    queries: Features
    memory: ReferenceMemory
    seen: list[oracle.Seen]
    references: list[oracle.Seen]
    read: dict[str, tuple[oracle.Vector, oracle.Vector]] = field(default_factory=dict)


def _pair(
    models: dict[str, WinClip],
    clip: Any,
    tokenizer: Callable[[list[str]], Tensor],
    *,
    queries: int,
    references: int,
    windows_at_once: int,
) -> Pair:
    """Both sides look at the same preprocessed pixels; the towers do not depend on the preset."""
    model = next(iter(models.values()))
    pixels = model.backbone.preprocess([picture(seed) for seed in range(queries + references)])
    features = model.backbone.features(pixels)
    kept = features.take(list(range(queries, queries + references)))
    memory = ReferenceMemory(
        (Bank(kept.patches.flatten(0, 1), tuple(each.flatten(0, 1) for each in kept.windows)),),
        references,
        model.fingerprint,
    )
    seen = oracle.see(clip.visual, pixels, SCALES, windows_at_once=windows_at_once)
    return Pair(
        clip,
        tokenizer,
        models,
        features.take(list(range(queries))),
        memory,
        seen[:queries],
        seen[queries:],
    )


@pytest.fixture(scope="session")
def mini_pair(mini: WinClip, mini_anomalib: WinClip) -> Pair:
    loaded = load_clip("flawline-mini")
    models = {"paper": mini, "anomalib": mini_anomalib}
    return _pair(models, loaded.clip, loaded.tokenizer, queries=2, references=2, windows_at_once=1)


@pytest.fixture(scope="session")
def real_pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """The paper's model at full size with random weights, written to a file and loaded from it.

    The oracle's copy is loaded by open_clip's own factory.
    """
    path = tmp_path_factory.mktemp("weights") / "random.safetensors"
    _write_random_weights(path)
    thin = {
        name: replace(preset, templates=preset.templates[REAL_TEMPLATES])
        for name, preset in PRESETS.items()
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scorer.scoring.winclip, "PRESETS", thin)
        models = {name: WinClip.load(PAPER_MODEL, weights=path, preset=name) for name in PRESETS}
    clip = open_clip.create_model(PAPER_MODEL, pretrained=str(path)).eval()
    tokenizer = open_clip.get_tokenizer(PAPER_MODEL)
    yield _pair(models, clip, tokenizer, queries=1, references=1, windows_at_once=15)
    path.unlink()


def _write_random_weights(path: Path) -> None:
    """Weights large enough that windows with different pixels have different embeddings."""
    torch.manual_seed(2023)
    state = open_clip.CLIP(**open_clip.get_model_config(PAPER_MODEL)).state_dict()
    for name, value in state.items():
        if "in_proj_weight" in name or name == "visual.conv1.weight":
            value *= 3.0
    save_file({name: value.contiguous() for name, value in state.items()}, path)


@pytest.fixture(params=["mini", "real"])
def pair(request: pytest.FixtureRequest) -> Pair:
    found: Pair = request.getfixturevalue(f"{request.param}_pair")
    return found


@pytest.fixture(params=["paper", "anomalib"])
def preset(request: pytest.FixtureRequest, pair: Pair) -> Preset:
    return pair.models[request.param].preset


def _texts(pair: Pair, preset: Preset) -> tuple[Tensor, tuple[oracle.Vector, oracle.Vector]]:
    """Prototypes of the scorer and of the oracle."""
    text = pair.models[preset.name].text_prototypes(
        OBJECT, normal_states=NORMAL, anomalous_states=ANOMALOUS
    )
    words = oracle.Words(
        preset.templates,
        (*preset.normal_states, *NORMAL),
        (*preset.anomalous_states, *ANOMALOUS),
        normalise_prompts=preset.name == "paper",
    )
    name = "metal nut" if preset.name == "paper" else "metal_nut"
    if preset.name not in pair.read:
        pair.read[preset.name] = oracle.read(pair.clip, pair.tokenizer, words, name)
    return text, pair.read[preset.name]


def _memory(pair: Pair, preset: Preset) -> ReferenceMemory:
    return replace(pair.memory, fingerprint=pair.models[preset.name].fingerprint)


def _compare(what: str, result: Result, expected: list[oracle.Scored]) -> None:
    scores = result.anomaly_score.numpy()
    maps = result.anomaly_map.numpy()
    wanted = np.stack([scored.map for scored in expected])
    score_error = np.abs(scores - [scored.score for scored in expected]).max()
    map_error = np.abs(maps - wanted).max()
    report(f"{what}: score {score_error:.1e}, map {map_error:.1e}, spread {np.ptp(wanted):.1e}")
    assert scores.dtype == maps.dtype == np.float32
    assert score_error <= MAX_ERROR
    assert map_error <= MAX_ERROR
    assert np.ptp(wanted) > 100 * MAX_ERROR, "a map so flat would hide a mistake"


def report(line: str) -> None:
    """Measured agreement, shown with `pytest -s`."""
    print(f"\n  {line}", end="")


def test_zero_shot(pair: Pair, preset: Preset) -> None:
    model = pair.models[preset.name]
    text, words = _texts(pair, preset)
    for number in range(2):
        assert text[number].numpy() == pytest.approx(words[number], abs=1e-6)
    expected = [
        oracle.zero_shot(seen, words, 0.07, pair.clip.visual.grid_size) for seen in pair.seen
    ]
    _compare(f"zero-shot {preset.name}", model.score_features(pair.queries, text=text), expected)


def test_few_shot_alone(pair: Pair, preset: Preset) -> None:
    memory = _memory(pair, preset)
    expected = [
        oracle.few_shot(seen, pair.references, pair.clip.visual.grid_size) for seen in pair.seen
    ]
    result = pair.models[preset.name].score_features(pair.queries, memory=memory)
    _compare(f"few-shot {preset.name}", result, expected)


def test_words_and_references(pair: Pair, preset: Preset) -> None:
    text, words = _texts(pair, preset)
    grid = pair.clip.visual.grid_size
    expected = [
        oracle.both(
            oracle.zero_shot(seen, words, 0.07, grid),
            oracle.few_shot(seen, pair.references, grid),
        )
        for seen in pair.seen
    ]
    result = pair.models[preset.name].score_features(
        pair.queries, text=text, memory=_memory(pair, preset)
    )
    _compare(f"both {preset.name}", result, expected)


def test_a_reference_against_itself_scores_next_to_nothing(pair: Pair) -> None:
    """Rounding gives tiny values of both signs there; the clamp must hold them."""
    [bank] = pair.memory.banks
    own = [vectors.unsqueeze(0) for vectors in (bank.patches, *bank.windows)]
    model = pair.models["paper"]
    per_reference = [
        vectors.reshape(pair.memory.num_references, -1, vectors.shape[-1]) for vectors in own
    ]
    features = Features(torch.zeros(1, 1), per_reference[0], tuple(per_reference[1:]))
    result = model.score_features(features, memory=pair.memory)
    assert (result.anomaly_score >= 0).all()
    assert (result.anomaly_score < 1e-5).all()
    assert torch.isfinite(result.anomaly_map).all()


def test_real_size_text_cut_to_the_longest_prompt_is_exact(real_pair: Pair) -> None:
    """Prompts of different lengths in one batch, read one by one at full length by the oracle."""
    prompts = ("a photo of a nut.", "a photo of a damaged metal nut for anomaly detection.")
    cut = real_pair.models["paper"].words.encode(prompts)
    with torch.inference_mode():
        full = torch.cat(
            [real_pair.clip.encode_text(real_pair.tokenizer([prompt])) for prompt in prompts]
        )
    for mine, theirs in zip(cut, full, strict=True):
        difference = mine / mine.norm() - theirs / theirs.norm()
        assert difference.abs().max() < MAX_ERROR
