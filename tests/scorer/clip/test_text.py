"""Text prototypes: cut to the longest prompt without a difference, cached, and never broken."""

from __future__ import annotations

import open_clip
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import scorer.clip.text
from scorer import WinClip
from scorer.clip.models import SmallVocabulary, load_clip
from scorer.clip.presets import PRESETS, compose_prompts
from scorer.clip.text import TextEncoder, Tokenizer
from tests.scorer.tiny import TINY, tiny_clip

PROMPTS = (
    "a photo of a bottle.",
    "a photo of the damaged metal nut for anomaly detection.",
    "bottle",
    "a jpeg corrupted photo of the printed circuit board with a missing capacitor.",
)


@pytest.fixture(scope="module")
def mini_text() -> TextEncoder:
    loaded = load_clip("flawline-mini")
    return TextEncoder(loaded.clip, loaded.tokenizer, PRESETS["paper"])


@pytest.fixture(scope="module")
def tokenizers() -> tuple[Tokenizer, Tokenizer]:
    """The bundled model's, and CLIP's at the same length."""
    return load_clip("flawline-mini").tokenizer, open_clip.SimpleTokenizer(context_length=32)


def _full_length(clip: object, tokens: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        encoded: torch.Tensor = clip.encode_text(tokens)  # type: ignore[attr-defined]
    return encoded


def test_cutting_is_exact_for_the_bundled_model() -> None:
    loaded = load_clip("flawline-mini")
    text = TextEncoder(loaded.clip, loaded.tokenizer, PRESETS["paper"])
    full = _full_length(loaded.clip, loaded.tokenizer(list(PROMPTS)))
    torch.testing.assert_close(text.encode(PROMPTS), full, rtol=0, atol=1e-5)


@pytest.mark.parametrize("linear", [False, True])
def test_cutting_is_exact_at_77_tokens(linear: bool) -> None:
    clip = tiny_clip(text_cfg=TINY["text_cfg"] | {"proj_bias": linear})
    tokenizer = open_clip.SimpleTokenizer()
    text = TextEncoder(clip, tokenizer, PRESETS["paper"])
    prompts = (*PROMPTS, "word " * 200)
    full = _full_length(clip, tokenizer(list(prompts)))
    torch.testing.assert_close(text.encode(prompts), full, rtol=0, atol=1e-5)


def test_a_prompt_does_not_depend_on_its_neighbours(
    mini_text: TextEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = mini_text.encode(PROMPTS)
    for number, prompt in enumerate(PROMPTS):
        torch.testing.assert_close(mini_text.encode((prompt,))[0], together[number])
    monkeypatch.setattr(scorer.clip.text, "MAX_PROMPTS_PER_PASS", 3)
    torch.testing.assert_close(mini_text.encode(PROMPTS), together)


@pytest.mark.parametrize("name", ["paper", "anomalib"])
def test_prototype_is_the_mean_of_its_prompts(name: str) -> None:
    """`paper` takes the mean of unit vectors, `anomalib` of vectors as they are."""
    clip = tiny_clip()
    preset = PRESETS[name]
    text = TextEncoder(clip, open_clip.SimpleTokenizer(), preset)
    found = text.prototypes("nut", anomalous_states=("bent {}",))
    states = (preset.normal_states, (*preset.anomalous_states, "bent {}"))
    for number, each in enumerate(states):
        embeddings = text.encode(compose_prompts(preset, "nut", each))
        if name == "paper":
            embeddings = embeddings / embeddings.norm(dim=-1, keepdim=True)
        mean = embeddings.mean(dim=0)
        torch.testing.assert_close(found[number], mean / mean.norm())


def test_prototypes_have_length_1_and_differ(mini: WinClip) -> None:
    text = mini.text_prototypes("bottle")
    assert text.shape == (2, 256)
    assert text.dtype == torch.float32
    torch.testing.assert_close(text.norm(dim=-1), torch.ones(2))
    assert (text[0] - text[1]).abs().max() > 1e-3


def test_every_word_counts(mini: WinClip) -> None:
    plain = mini.text_prototypes("bottle")
    assert mini.text_prototypes("bottle") is plain
    other = mini.text_prototypes("bottle", anomalous_states=["{} with hole"])
    torch.testing.assert_close(other[0], plain[0])
    assert (other[1] - plain[1]).abs().max() > 1e-4
    normal = mini.text_prototypes("bottle", normal_states=["clean {}"])
    torch.testing.assert_close(normal[1], plain[1])
    assert (normal[0] - plain[0]).abs().max() > 1e-4


def test_underscore_in_an_object_name(mini: WinClip, mini_anomalib: WinClip) -> None:
    torch.testing.assert_close(mini.text_prototypes("metal_nut"), mini.text_prototypes("metal nut"))
    underscored = mini_anomalib.text_prototypes("metal_nut")
    assert (underscored - mini_anomalib.text_prototypes("metal nut")).abs().max() > 0


def test_small_vocabulary_maps_what_it_knows_and_marks_the_rest() -> None:
    full = open_clip.SimpleTokenizer(context_length=16)
    known = full(["a photo of a nut."])[0].unique()
    small = SmallVocabulary(known, context_length=16)
    tokens = small(["a photo of a nut.", "a photo of a zebra."])
    nut, zebra = full(["a photo of a nut.", "a photo of a zebra."])
    for rows, originals in zip(tokens.tolist(), (nut.tolist(), zebra.tolist()), strict=True):
        for row, original in zip(rows, originals, strict=True):
            expected = known.tolist().index(original) + 1 if original in known else 0
            assert row == expected
    assert 0 in tokens[1]
    assert tokens.argmax(dim=-1).tolist() == [nut.argmax().item(), zebra.argmax().item()]


@settings(max_examples=40)
@given(st.text(max_size=60))
def test_any_words_give_a_vector(mini_text: TextEncoder, words: str) -> None:
    """Unknown words, scripts, signs, very long and empty prompts."""
    prompts = (words, f"a photo of a {words}.", words * 20)
    embeddings = mini_text.encode(prompts)
    assert embeddings.shape == (3, 256)
    assert torch.isfinite(embeddings).all()


@settings(max_examples=40)
@given(words=st.text(max_size=60))
def test_the_end_of_text_is_found_whatever_the_words(
    tokenizers: tuple[Tokenizer, Tokenizer], words: str
) -> None:
    small, full = tokenizers
    assert small([words]).argmax(dim=-1).tolist() == full([words]).argmax(dim=-1).tolist()
