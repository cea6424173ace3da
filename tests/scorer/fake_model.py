"""A model that scores a picture by its mean grey value, for tests of the plumbing alone."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from scorer.scoring.memory import Fingerprint, ReferenceMemory
from scorer.scoring.scoring import Result
from scorer.windows.backbone import Crop, Seen
from scorer.windows.features import Features, Wanted
from scorer.windows.tiling import Tiling

NAN_GREY = 13
BROKEN_WORDS = torch.tensor([-1.0])
STRICT = ReferenceMemory((), 1, Fingerprint("fake", "0" * 64, "paper"))
BROKEN = ReferenceMemory((), 3, Fingerprint("fake", "0" * 64, "paper"))
LENIENT = ReferenceMemory((), 2, Fingerprint("fake", "0" * 64, "paper"))


class FakeModel:
    """Score = mean grey / 255; grey 13 is NaN; a line whose words are BROKEN_WORDS raises.

    The memory STRICT doubles scores, BROKEN raises.

    Attributes:
        tower_error: raised by the image tower if set.
        saved_tokens: of each frame, as if by a cache.
        batches: sizes of the batches that the tower saw.
    """

    fingerprint = Fingerprint("fake", "0" * 64, "paper")

    def __init__(self) -> None:
        self.backbone = self
        self.tower_error: Exception | None = None
        self.saved_tokens = 0
        self.batches: list[int] = []

    def look(self, crops: Sequence[Crop], cache: object = None) -> list[Seen]:
        if self.tower_error is not None:
            raise self.tower_error
        self.batches.append(len(crops))
        greys = [torch.tensor([[float(crop.pixels.mean())]]) for crop in crops]
        return [Seen(Features(grey, grey[:, None], ()), 0.0, self.saved_tokens) for grey in greys]

    def score_features(
        self,
        features: Features,
        *,
        text: Tensor | None,
        memory: ReferenceMemory | None,
        tiling: Tiling,
    ) -> Result:
        if memory is BROKEN or (text is not None and text.equal(BROKEN_WORDS)):
            raise RuntimeError("this line's references do not fit")
        grey = features.image[:, 0]
        score = torch.where(grey == NAN_GREY, torch.nan, grey / 255)
        if memory is STRICT:
            score = (2 * score).clamp_max(1.0)
        return Result(score, score[:, None, None].expand(-1, 2, 2).clone())


def fake_tiling(side_px: int = 16) -> Tiling:
    """One tile of one patch."""
    one = torch.ones(1, 1, dtype=torch.bool)
    return Tiling(side_px, side_px, 1, ((0, 0),), one, one, None, Wanted(one[0], ()), 10)
