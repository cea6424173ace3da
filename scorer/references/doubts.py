"""What speaks against a reference memory and its first threshold, in words. Pure.

Nothing here refuses: a line without a memory judges nothing at all. A person reads it, looks at the
contact sheet, and decides.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from scipy.special import betaincinv

MIN_PICTURES: Final = 8
MAX_FAIL_SHARE: Final = 0.1
CONFIDENCE: Final = 0.95
WIDE_GAP: Final = 3.0
MAX_NAMED: Final = 8

BY_GOOD_PICTURES: Final = "other good pictures make it FAIL from {:.4f} on"
BY_REFERENCES: Final = "the others stay below {:.4f}"


def few_pictures(num: int) -> list[str]:
    """Doubt about a threshold that rests on `num` pictures: so few hardly tell how parts differ."""
    if num >= MIN_PICTURES:
        return []
    return [
        f"the FAIL threshold rests on {num} picture(s); fewer than {MIN_PICTURES} hardly tell how "
        "much good parts differ: enroll more, or calibrate the line"
    ]


def repeated(digests: Sequence[str]) -> list[str]:
    """Doubt about references of which some are one and the same picture."""
    again = sum(count - 1 for count in Counter(digests).values())
    if not again:
        return []
    return [
        f"{again} of {len(digests)} references repeat another one exactly and teach nothing: take "
        "pictures of different parts, while the belt moves"
    ]


def odd_references(alone: Sequence[float | None], limit: float) -> list[int]:
    """Indices of references whose score against the others is at or above `limit`.

    Args:
        alone: None where a reference was not looked at.
    """
    return [index for index, score in enumerate(alone) if score is not None and score >= limit]


def disagreement(
    alone: Sequence[float | None], names: Sequence[str], *, limit: float, measure: str
) -> list[str]:
    """Doubt about references that are less like one another than good pictures are.

    Args:
        alone: score of each reference against the others.
        names: of the references.
        limit: what good pictures stay below.
        measure: how that is known, e.g. `BY_GOOD_PICTURES`.
    """
    odd = odd_references(alone, limit)
    if not odd:
        return []
    named = ", ".join(f"{names[index]} ({alone[index]:.4f})" for index in odd[:MAX_NAMED])
    named += f" and {len(odd) - MAX_NAMED} more" if len(odd) > MAX_NAMED else ""
    return [
        f"{len(odd)} of {len(alone)} references are unlike the others: {named}, scored against "
        f"them; {measure.format(limit)}. Good parts, and in place? The contact sheet shows them"
    ]


def without_number(num: int, *, of: int) -> list[str]:
    """Doubt about a stream of which `num` frames get a score that is not a number."""
    if not num:
        return []
    return [f"{num} of {of} frames of the stream get no number for a score: verify the weights"]


def outside_stream(threshold: float, scores: Sequence[float]) -> list[str]:
    """Doubt about a threshold that does not fit what a stream scores.

    Too low: with confidence 95 % more than a tenth of the frames FAIL (Clopper and Pearson, 1934).
    Too high: above every score by more than three times their spread. If scores fall off
    exponentially, of n good frames not one in n ** 4 would FAIL: thousands of times fewer than can
    be told from n, and a defect may pass just as well.

    Args:
        threshold: FAIL at or above.
        scores: of frames of the stream, against the memory that the threshold belongs to.
    """
    num, num_fail = len(scores), sum(score >= threshold for score in scores)
    different = len(set(scores))
    if num < MIN_PICTURES:
        return [
            f"only {num} more frame(s) came from the camera, too few to tell whether the threshold "
            "fits the stream: watch the first verdicts"
        ]
    if different < MIN_PICTURES:
        return [
            f"{num} frames of the stream show {different} different picture(s): the threshold "
            "could not be compared with what the line scores; enroll while the belt moves"
        ]
    low, high = min(scores), max(scores)
    between = f"{num} frames of the stream score {low:.4f} to {high:.4f}"
    if num_fail and betaincinv(num_fail, num - num_fail + 1, 1 - CONFIDENCE) > MAX_FAIL_SHARE:
        return [
            f"the FAIL threshold {threshold:.4f} is too low for this stream: {between}, and "
            f"{num_fail} of them would FAIL. Do the references show what the camera sees?"
        ]
    gap = (threshold - high) / (high - low)
    if gap > WIDE_GAP:
        return [
            f"the FAIL threshold {threshold:.4f} lies far above this stream: {between}. A defect "
            f"must raise a score {_times(threshold, high)} to be found: calibrate the line, or "
            "enroll references that are more alike"
        ]
    return []


def _times(threshold: float, score: float) -> str:
    return f"{threshold / score:.1f}-fold" if score > 0 else f"to {threshold:.4f}"
