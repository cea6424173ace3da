"""What words mean is computed once; a page that cannot be trusted is computed again."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch
from torch import Tensor

from scorer.clip import phrasebook
from scorer.clip.phrasebook import Phrasebook
from scorer.clip.presets import PRESETS
from scorer.clip.text import TextEncoder
from tests.scorer.tiny import tiny_loaded

CPU = torch.device("cpu")
WEIGHTS = "0" * 64


class Counted:
    """A model's words, and how many prompts it was made to look at."""

    def __init__(self, directory: Path, *, weights: str = WEIGHTS, preset: str = "paper") -> None:
        loaded = tiny_loaded()
        self.prompts = 0

        def tokenizer(prompts: list[str]) -> Tensor:
            self.prompts += len(prompts)
            return loaded.tokenizer(prompts)

        self.words = TextEncoder(loaded.clip, tokenizer, PRESETS[preset])
        self.words.keep_in(Phrasebook(directory, weights_sha256=weights, device=CPU))

    def prototypes(self, object_name: str = "bottle") -> Tensor:
        return self.words.prototypes(object_name, anomalous_states=("{} with a chip",))


@pytest.fixture
def book(tmp_path: Path) -> Path:
    return tmp_path / "made" / "words"


def test_the_next_start_reads_the_same_numbers_and_computes_none(book: Path) -> None:
    first, second = Counted(book), Counted(book)
    computed = first.prototypes()
    assert first.prompts > 0
    assert torch.equal(second.prototypes(), computed)
    assert second.prompts == 0


def test_other_words_weights_or_reading_are_another_page(book: Path) -> None:
    Counted(book).prototypes()
    others = [Counted(book), Counted(book, weights="1" * 64), Counted(book, preset="anomalib")]
    others[0].prototypes("can")
    for other in others[1:]:
        other.prototypes()
    assert all(other.prompts for other in others)
    assert len(list(book.iterdir())) == 4


@pytest.mark.parametrize("place", ["numbers", "header", "end"])
def test_a_damaged_page_is_told_and_written_anew(
    book: Path, place: str, caplog: pytest.LogCaptureFixture
) -> None:
    computed = Counted(book).prototypes()
    [page] = book.iterdir()
    content = bytearray(page.read_bytes())
    if place == "end":
        del content[-8:]
    else:
        content[-3 if place == "numbers" else 1] ^= 0x40
    page.write_bytes(content)
    again, afterwards = Counted(book), Counted(book)
    with caplog.at_level(logging.WARNING):
        assert torch.equal(again.prototypes(), computed)
    assert again.prompts > 0
    assert f"{page} is damaged and computed anew" in caplog.text
    assert torch.equal(afterwards.prototypes(), computed)
    assert afterwards.prompts == 0


def test_a_folder_that_cannot_be_written_is_told_and_no_more(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    in_the_way = tmp_path / "words"
    in_the_way.write_bytes(b"")
    with caplog.at_level(logging.WARNING):
        assert Counted(in_the_way).prototypes().shape == (2, 24)
    assert "words are computed anew at the next start" in caplog.text


def test_a_full_book_is_begun_anew(book: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(phrasebook, "MAX_PAGES", 2)
    for name in ("bottle", "can", "ring"):
        Counted(book).prototypes(name)
    assert len(list(book.iterdir())) == 1
    newest = Counted(book)
    newest.prototypes("ring")
    assert newest.prompts == 0
