"""Scoring a batch: one pass of the tower for all lines, then each line's words and references."""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from contract.config import CacheSettings
from contract.errors import FlawlineError
from scorer.scoring.winclip import WinClip
from scorer.serving.lines import LineState, MemoryInUse
from scorer.serving.scheduler import Job
from scorer.windows.backbone import Crop, Seen
from scorer.windows.cache import WindowCache
from scorer.windows.features import Features

MAX_ERRORS_IN_A_ROW = 10
SCORING_ERRORS = (RuntimeError, ValueError, MemoryError, FlawlineError)

log = logging.getLogger(__name__)


class Scored(NamedTuple):
    """What was found in one frame.

    Attributes:
        anomaly_score: in [0, 1], or NaN.
        anomaly_map: float32 (R, C); NaN outside the region of interest.
        reused_fraction: share of windows that came from the cache.
        cache_score_error: what reuse had done to the score, on frames that were recomputed.
        shadow_score: by the line's shadow memory, if it has one.
        saved_tokens: of the transformer, by the cache.
    """

    anomaly_score: float
    anomaly_map: npt.NDArray[np.float32]
    reused_fraction: float = 0.0
    cache_score_error: float | None = None
    shadow_score: float | None = None
    saved_tokens: int = 0


class BatchScorer:
    """Scores frames of any lines together.

    Args:
        model: the shared backbone.
        lines: what to compare each line's frames with.
        cache: what may be reused between the frames of a camera.

    Raises (while scoring):
        one of `SCORING_ERRORS`, after ten in a row: the process is then restarted.
    """

    def __init__(
        self, model: WinClip, lines: Mapping[str, LineState], cache: CacheSettings
    ) -> None:
        self._model = model
        self._lines = lines
        self._cache = _window_cache(model, lines, cache)
        self._audit_every = cache.audit_every if cache.mode == "tolerant" else None
        self._reused: Counter[str] = Counter()
        self._broken_shadows: dict[str, MemoryInUse] = {}
        self._errors_in_a_row = 0

    def score(self, jobs: Sequence[Job]) -> list[Scored | None]:
        """One result per job; None where scoring failed, which was logged.

        A line whose comparison fails does not take the others with it.
        """
        results: list[Scored | None] = [None] * len(jobs)
        if not jobs:
            return results
        try:
            seen = self._model.backbone.look([self._crop(job) for job in jobs], self._cache)
        except SCORING_ERRORS:
            self._count_error("the image tower failed on %d frames", len(jobs))
            return results
        by_line: dict[str, list[int]] = {}
        for index, job in enumerate(jobs):
            by_line.setdefault(job.frame.header.line, []).append(index)
        for name, indices in by_line.items():
            try:
                scored = self._compare(name, [seen[index] for index in indices])
                for index, each in zip(indices, scored, strict=True):
                    results[index] = self._checked(jobs[index], each)
            except SCORING_ERRORS:
                self._count_error("line %s: scoring failed", name)
            else:
                self._errors_in_a_row = 0
        return results

    def _crop(self, job: Job) -> Crop:
        frame = job.frame.header
        state = self._lines[frame.line]
        return Crop(job.frame.pixels, state.tiling, frame.camera, state.needs)

    def _compare(self, name: str, seen: list[Seen]) -> list[Scored]:
        """Frames of one line against its words, its references and its shadow."""
        state = self._lines[name]
        features = Features.cat([each.features for each in seen])
        result = self._model.score_features(
            features, text=state.text, memory=state.memory, tiling=state.tiling
        )
        scores = result.anomaly_score.cpu().tolist()
        maps = result.anomaly_map.float().cpu().numpy()
        shadows = self._shadow_scores(state, features, len(seen))
        return [
            Scored(score, anomaly_map, each.reused_fraction, None, shadow_score, each.saved_tokens)
            for score, anomaly_map, each, shadow_score in zip(
                scores, maps, seen, shadows, strict=True
            )
        ]

    def _shadow_scores(
        self, state: LineState, features: Features, num: int
    ) -> Sequence[float | None]:
        """What the shadow says; one that fails is not asked again, and nobody else suffers."""
        name, shadow = state.line.name, state.shadow
        if shadow is None or self._broken_shadows.get(name) is shadow:
            return [None] * num
        try:
            result = self._model.score_features(
                features, text=state.text, memory=shadow.memory, tiling=state.tiling
            )
            scores: list[float] = result.anomaly_score.cpu().tolist()
        except SCORING_ERRORS:
            self._broken_shadows[name] = shadow
            log.exception("line %s: shadow %s failed", name, shadow.version)
            return [None] * num
        return scores

    def _checked(self, job: Job, scored: Scored) -> Scored:
        """`scored`, or its recomputation when it is this camera's turn to be audited."""
        camera = job.frame.header.camera
        if not math.isfinite(scored.anomaly_score):
            if self._cache is not None:
                self._cache.clear()
            return scored
        if self._audit_every is None or not scored.reused_fraction:
            return scored
        self._reused[camera] += 1
        if self._reused[camera] % self._audit_every:
            return scored
        [audit] = self._compare(job.frame.header.line, self._model.backbone.look([self._crop(job)]))
        if not math.isfinite(audit.anomaly_score):
            return audit
        error = abs(audit.anomaly_score - scored.anomaly_score)
        # What an audit costs says nothing of the camera's next frame.
        return audit._replace(
            reused_fraction=scored.reused_fraction,
            saved_tokens=scored.saved_tokens,
            cache_score_error=error,
        )

    def _count_error(self, message: str, *values: object) -> None:
        """Log the exception at hand; too many in a row end the process, which is then restarted."""
        if self._cache is not None:
            self._cache.clear()
        self._errors_in_a_row += 1
        log.exception(message, *values)
        if self._errors_in_a_row >= MAX_ERRORS_IN_A_ROW:
            raise


def _window_cache(
    model: WinClip, lines: Mapping[str, LineState], settings: CacheSettings
) -> WindowCache | None:
    if settings.mode == "off":
        return None
    views = sum(len(state.line.cameras) * state.tiling.num_tiles for state in lines.values())
    tolerance = settings.tolerance_levels if settings.mode == "tolerant" else 0.0
    return model.backbone.window_cache(tolerance=tolerance, capacity=views)
