"""The truth of the demo clip, and how verdicts compare with it. Pure."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict

from contract.clock import NS_PER_S
from contract.config import Region
from contract.messages import Outcome, Times


class Part(BaseModel):
    """One part of the clip; frames are counted from 0 and both ends are included."""

    model_config = ConfigDict(frozen=True)

    part_id: int
    defect: str | None
    first_full_frame: int
    last_full_frame: int
    defect_visible_first_frame: int | None
    defect_visible_last_frame: int | None


class Truth(BaseModel):
    """What passes the camera in the clip. `region` is the inspected square."""

    model_config = ConfigDict(frozen=True)

    clip: str
    fps: float
    num_frames: int
    region: Region
    parts: tuple[Part, ...]

    @classmethod
    def load(cls, path: Path) -> Truth:
        """The truth in a JSON file."""
        return cls.model_validate_json(path.read_text("utf-8"))

    def shows_defect(self, frame: int, *, but: int | None = None) -> bool:
        """Whether any defect is visible in `frame`, other than that of part `but`."""
        return any(
            part.part_id != but
            and part.defect_visible_first_frame is not None
            and part.defect_visible_last_frame is not None
            and part.defect_visible_first_frame <= frame <= part.defect_visible_last_frame
            for part in self.parts
        )


class Finding(StrEnum):
    """A part's verdicts against its truth."""

    TRUE_REJECT = "true reject"
    MISS = "miss"
    FALSE_REJECT = "false reject"
    TRUE_PASS = "true pass"  # noqa: S105
    UNINSPECTED = "uninspected"


class JudgedFrame(Protocol):
    """What is needed of an event."""

    @property
    def times(self) -> Times: ...
    @property
    def outcome(self) -> Outcome: ...
    @property
    def anomaly_score(self) -> float | None: ...


class PartResult(NamedTuple):
    """One part as it passed in one round of the clip."""

    round: int
    part: Part
    finding: Finding
    num_frames: int
    max_score: float | None


def place_in_clip(event: JudgedFrame, truth: Truth) -> tuple[int, int] | None:
    """Round and frame of the clip that `event` judged."""
    if event.times.source_pts_ns is None:
        return None
    return divmod(round(event.times.source_pts_ns * truth.fps / NS_PER_S), truth.num_frames)


def judge_parts(
    events: Iterable[JudgedFrame], truth: Truth, *, num_frames: int
) -> list[PartResult]:
    """Every part that passed in the first `num_frames` frames, against its truth.

    A part is judged by the frames in which all of it is in view and no neighbour's defect. It is
    rejected if one of them is FAIL or REVIEW. A part without a scored frame is uninspected: the
    gate rejects it, but nothing was found out about it. One that was still in full view at the
    end, or came later, is left out.
    """
    seen: dict[int, dict[int, JudgedFrame]] = defaultdict(dict)
    for event in events:
        if (place := place_in_clip(event, truth)) is not None:
            seen[place[0]][place[1]] = event
    return [
        _judge(number, part, seen[number], truth)
        for number in range(math.ceil(num_frames / truth.num_frames))
        for part in truth.parts
        if number * truth.num_frames + part.last_full_frame < num_frames
    ]


def false_frames(events: Iterable[JudgedFrame], truth: Truth) -> tuple[int, int]:
    """FAIL frames in which no defect is in view, and all scored frames in which none is.

    Frames that show parts cut off by the region's edge count as well.
    """
    clear = [
        event.outcome
        for event in events
        if event.anomaly_score is not None
        and (place := place_in_clip(event, truth)) is not None
        and not truth.shows_defect(place[1])
    ]
    return clear.count(Outcome.FAIL), len(clear)


def _judge(number: int, part: Part, frames: dict[int, JudgedFrame], truth: Truth) -> PartResult:
    views = [
        frames[frame]
        for frame in range(part.first_full_frame, part.last_full_frame + 1)
        if frame in frames
        and frames[frame].outcome in (Outcome.PASS, Outcome.FAIL, Outcome.REVIEW)
        and not truth.shows_defect(frame, but=part.part_id)
    ]
    rejected = any(view.outcome is not Outcome.PASS for view in views)
    if not views:
        finding = Finding.UNINSPECTED
    elif part.defect is None:
        finding = Finding.FALSE_REJECT if rejected else Finding.TRUE_PASS
    else:
        finding = Finding.TRUE_REJECT if rejected else Finding.MISS
    scores = [view.anomaly_score for view in views if view.anomaly_score is not None]
    return PartResult(number, part, finding, len(views), max(scores, default=None))
