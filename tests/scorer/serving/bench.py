"""An engine with lines, a model that sees one grey, and a clock that stands still."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import torch

from contract.codec import Frame
from contract.config import CacheSettings
from contract.reasons import Reason
from scorer import WinClip
from scorer.serving.batch import BatchScorer
from scorer.serving.cost import Cost
from scorer.serving.engine import Engine, Ruling
from scorer.serving.lines import LineState, MemoryInUse
from scorer.serving.scheduler import Scheduler
from scorer.serving.verdicts import Thresholds
from tests.fakes import FakeClock
from tests.scorer.fake_model import (
    BROKEN_WORDS,
    LENIENT,
    FakeModel,
    fake_tiling,
)
from tests.scorer.frames import CAPTURED_NS, frame
from tests.scorer.shelves import line

WORDS = torch.tensor([1.0])
FAIL = 0.5
CACHE_OFF = CacheSettings.model_validate({"mode": "off"})


class Bench:
    """An engine with lines `bottles`, `cans`, `broken`, `untaught` and `aimless`."""

    def __init__(self, **options: Any) -> None:
        self.clock = FakeClock(CAPTURED_NS)
        self.model = FakeModel()
        tiling = fake_tiling()
        judge = MemoryInUse(LENIENT, "v1", Thresholds(FAIL))
        self.lines = {
            "bottles": LineState(line("bottles"), WORDS, tiling, judge),
            "cans": LineState(line("cans"), WORDS, tiling, judge),
            "broken": LineState(line("broken"), BROKEN_WORDS, tiling, judge),
            "untaught": LineState(line("untaught"), WORDS, tiling, problem=Reason.NO_REFERENCE),
            "aimless": LineState(line("aimless"), WORDS, tiling),
        }
        self.scheduler = Scheduler(max_pending=100, max_batch_frames=4, max_batch_tokens=1000)
        self.engine = Engine(
            BatchScorer(cast(WinClip, self.model), self.lines, CACHE_OFF),
            self.lines,
            self.scheduler,
            self.clock,
            model=FakeModel.fingerprint,
            dtype="float32",
            cost=Cost(),
            **options,
        )

    def judge(self, *frames: Frame) -> list[Ruling]:
        """Submit all, step until nothing waits."""
        verdicts = [
            verdict for each in frames for verdict in self.engine.submit(each, self.clock.wall_ns())
        ]
        while self.engine.pending:
            verdicts += self.engine.step()
        return verdicts


def grey(value: int, frame_id: int = 0, **header: Any) -> Frame:
    """A 16 x 16 frame of one grey; its score is value / 255."""
    return frame(frame_id, pixels=np.full((16, 16, 3), value, dtype=np.uint8), **header)


def only(verdicts: list[Ruling]) -> Ruling:
    assert len(verdicts) == 1
    return verdicts[0]
