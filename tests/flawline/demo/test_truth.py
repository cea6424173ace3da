"""Parts against the truth of the clip."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from contract.clock import NS_PER_S
from contract.config import Region
from contract.messages import Outcome, Times
from flawline.demo.report import REACH_FRAMES, shades_of
from flawline.demo.truth import Finding, Part, Truth, false_frames, judge_parts, place_in_clip

FPS = 25.0


def part(part_id: int, first: int, last: int, defect: tuple[int, int] | None = None) -> Part:
    return Part(
        part_id=part_id,
        defect="scratch" if defect else None,
        first_full_frame=first,
        last_full_frame=last,
        defect_visible_first_frame=defect[0] if defect else None,
        defect_visible_last_frame=defect[1] if defect else None,
    )


def truth(*parts: Part) -> Truth:
    return Truth(
        clip="clip.mp4",
        fps=FPS,
        num_frames=100,
        region=Region(x_px=0, y_px=0, width_px=16, height_px=16),
        parts=parts,
    )


class Judged(NamedTuple):
    frame: int
    outcome: Outcome
    anomaly_score: float | None = 0.5

    @property
    def times(self) -> Times:
        pts_ns = round(self.frame / FPS * NS_PER_S)
        return Times(
            captured_ns=pts_ns, decoded_ns=0, received_ns=0, emitted_ns=0, source_pts_ns=pts_ns
        )


@pytest.mark.parametrize(
    ("defect", "verdicts", "finding"),
    [
        (None, [Outcome.PASS, Outcome.PASS], Finding.TRUE_PASS),
        (None, [Outcome.PASS, Outcome.FAIL], Finding.FALSE_REJECT),
        ((10, 20), [Outcome.PASS, Outcome.FAIL], Finding.TRUE_REJECT),
        ((10, 20), [Outcome.PASS, Outcome.PASS], Finding.MISS),
        ((10, 20), [Outcome.LATE, Outcome.UNSCORED], Finding.UNINSPECTED),
        (None, [Outcome.REVIEW, Outcome.PASS], Finding.FALSE_REJECT),
    ],
)
def test_a_part_is_judged_by_its_whole_views(
    defect: tuple[int, int] | None, verdicts: list[Outcome], finding: Finding
) -> None:
    events = [Judged(12 + 2 * number, verdict) for number, verdict in enumerate(verdicts)]
    [result] = judge_parts(events, truth(part(0, 10, 20, defect)), num_frames=51)
    assert result.finding is finding


def test_a_neighbours_defect_does_not_make_a_good_part_a_false_reject() -> None:
    clip = truth(part(0, 10, 20), part(1, 30, 40, defect=(18, 45)))
    events = [Judged(12, Outcome.PASS), Judged(19, Outcome.FAIL), Judged(35, Outcome.FAIL)]
    findings = [result.finding for result in judge_parts(events, clip, num_frames=50)]
    assert findings == [Finding.TRUE_PASS, Finding.TRUE_REJECT]


@pytest.mark.parametrize(
    ("num_frames", "judged"), [(10, []), (20, []), (21, [0]), (60, [0]), (71, [0, 1])]
)
def test_parts_that_had_not_passed_when_the_stream_ended_are_not_judged(
    num_frames: int, judged: list[int]
) -> None:
    clip = truth(part(0, 10, 20), part(1, 60, 70))
    events = [Judged(frame, Outcome.PASS) for frame in range(num_frames)]
    results = judge_parts(events, clip, num_frames=num_frames)
    assert [result.part.part_id for result in results] == judged


def test_parts_that_passed_while_nothing_was_judged_are_uninspected() -> None:
    clip = truth(part(0, 10, 20), part(1, 60, 70))
    results = judge_parts([Judged(15, Outcome.PASS)], clip, num_frames=100)
    assert [r.finding for r in results] == [Finding.TRUE_PASS, Finding.UNINSPECTED]


def test_each_round_of_a_looped_clip_counts_its_parts_again() -> None:
    clip = truth(part(0, 10, 20))
    events = [Judged(15, Outcome.PASS), Judged(115, Outcome.FAIL)]
    assert place_in_clip(events[1], clip) == (1, 15)
    assert [(r.round, r.finding) for r in judge_parts(events, clip, num_frames=125)] == [
        (0, Finding.TRUE_PASS),
        (1, Finding.FALSE_REJECT),
    ]


def test_frames_without_a_defect_in_view_are_counted_by_themselves() -> None:
    clip = truth(part(0, 10, 20, defect=(5, 25)))
    events = [
        Judged(10, Outcome.FAIL),
        Judged(30, Outcome.FAIL),
        Judged(40, Outcome.PASS),
        Judged(50, Outcome.LATE, None),
    ]
    assert false_frames(events, clip) == (1, 2)


@pytest.mark.parametrize("step", [2, 5, 8])
def test_a_defect_is_shaded_without_gaps_however_few_frames_are_inspected(step: int) -> None:
    clip = truth(part(0, 10, 20, defect=(8, 40)), part(1, 60, 70, defect=(56, 90)))
    events = [Judged(frame, Outcome.PASS) for frame in range(0, 100, step)]
    first, second = shades_of(events, clip)
    for shade, (begin, end) in ((first, (8, 40)), (second, (56, 90))):
        for ns, frame in ((shade.start_ns, begin), (shade.end_ns, end)):
            assert abs(ns / NS_PER_S * FPS - frame) <= step + REACH_FRAMES
