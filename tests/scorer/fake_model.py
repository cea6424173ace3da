"""A model that scores a picture by its mean grey value, for tests of the plumbing alone."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from scorer.memory import Fingerprint, ReferenceMemory
from scorer.pixels import Picture
from scorer.tower import Features
from scorer.winclip import Result

NAN_GREY = 13
BROKEN_WORDS = torch.tensor([-1.0])


class FakeModel:
    """Score = mean grey / 255; grey 13 is NaN; a line whose words are BROKEN_WORDS raises.

    Attributes:
        tower_error: raised by the image tower if set.
        batches: sizes of the batches that the tower saw.
    """

    fingerprint = Fingerprint("fake", "0" * 64, "paper")
    image_px = (4, 4)

    def __init__(self) -> None:
        self.tower_error: Exception | None = None
        self.batches: list[int] = []

    def preprocess(self, images: Sequence[Picture]) -> Tensor:
        return torch.tensor([[float(image.mean())] for image in images])

    def features(self, pixels: Tensor) -> Features:
        if self.tower_error is not None:
            raise self.tower_error
        self.batches.append(len(pixels))
        return Features(pixels, pixels[:, None], ())

    def score_features(
        self, features: Features, *, text: Tensor | None, memory: ReferenceMemory | None
    ) -> Result:
        if text is not None and text.equal(BROKEN_WORDS):
            raise RuntimeError("this line's references do not fit")
        grey = features.image[:, 0]
        score = torch.where(grey == NAN_GREY, torch.nan, grey / 255)
        return Result(score, score[:, None, None].expand(-1, 2, 2).clone())
