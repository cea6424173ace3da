"""Why a picture has its score: which term, which window, which words, which reference.

The score is a sum (equation (6)): the words' share is that of the whole image; the references'
share is the highest patch of the mean of three maps (equation (5)). So the explanation names that
patch, what each map says there, the most anomalous window of each scale that covers it, and the
nearest patch of the references. By words alone the score is that of the image, and the place shown
is where the words find the map highest.

Of a crop in tiles the maps are stitched, and windows and references are those of the tile that
weighs most at the place: the one whose middle is nearest.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from contract.image import Pixels
from scorer.clip.presets import PATCH, window
from scorer.scoring.equations import unit
from scorer.scoring.memory import ReferenceMemory
from scorer.scoring.scoring import AssociationMap
from scorer.scoring.winclip import WinClip
from scorer.windows.features import Features
from scorer.windows.geometry import window_patches
from scorer.windows.tiling import Tiling

Place = tuple[int, int]


@dataclass(frozen=True)
class Box:
    """A square of patches of the inspected crop: its first row and column, and its side."""

    row: int
    column: int
    side: int


@dataclass(frozen=True)
class Term:
    """One addend of the score.

    Attributes:
        name: `words`, `patch`, `window-2` or `window-3`.
        weight: its share in the score.
        value: what it says at the place that made the score, in [0, 1]; weight * value is added.
        anomaly_map: float32 (rows, columns); NaN outside the region of interest.
        window: the most anomalous window of this scale that covers the place; None for words.
    """

    name: str
    weight: float
    value: float
    anomaly_map: Tensor
    window: Box | None = None

    @property
    def contribution(self) -> float:
        return self.weight * self.value


@dataclass(frozen=True)
class Nearest:
    """The reference patch that is most like the patch that made the score."""

    reference: int
    box: Box
    similarity: float


@dataclass(frozen=True)
class Explanation:
    """Why a picture has its score.

    Attributes:
        anomaly_score: the sum of the terms' contributions.
        place: the patch that made it.
        tile: of a crop in tiles the one that the place is seen in.
        terms: the largest contribution first.
        prompt: of the anomalous prompts the one most like the image; None without words.
        nearest: None without references, and where those were thinned out to a coreset: of what
            is kept nobody knows any more which reference it was.
    """

    anomaly_score: float
    place: Box
    tile: Box | None
    terms: tuple[Term, ...]
    prompt: str | None
    nearest: Nearest | None


@torch.inference_mode()
def explain(
    model: WinClip,
    image: Pixels,
    *,
    object_name: str | None,
    memory: ReferenceMemory | None,
    tiling: Tiling | None = None,
    normal_states: tuple[str, ...] = (),
    anomalous_states: tuple[str, ...] = (),
) -> Explanation:
    """The explanation of the score of `image`, uint8 RGB (H, W, 3), squashed to the crop's size.

    Args:
        object_name: what the words are about; None: the references alone.
        memory: None: the words alone.
        tiling: how the crop is tiled and masked; None: the whole picture is the model's input.
        normal_states, anomalous_states: the line's own words.

    Raises:
        FlawlineError: neither words nor references.
        ImageError: another dtype or shape.
        MemoryMismatch: a memory of another model, preset or tiling.
    """
    tiling = tiling or model.backbone.whole
    text = None
    if object_name is not None:
        text = model.text_prototypes(
            object_name, normal_states=normal_states, anomalous_states=anomalous_states
        )
    pixels = tiling.cut(model.backbone.preprocess([image], tiling.size_px))
    features = model.backbone.features(pixels, tiling.wanted)
    result = model.score_features(features, text=text, memory=memory, tiling=tiling)
    both = text is not None and memory is not None
    terms, nearest, prompt = [], None, None
    place = _highest(result.anomaly_map[0])
    if memory is not None:
        maps = _association(model, features, memory)
        stitched = {name: tiling.stitch(each.anomaly_map)[0] for name, each in maps.items()}
        place = _highest(torch.stack(list(stitched.values())).mean(dim=0))
        tile = _tile_of(tiling, place)
        share = (1.0 - model.language_weight if both else 1.0) / len(maps)
        sides = {PATCH: 1} | {window(side): side for side in model.preset.scales}
        terms = [
            Term(
                name,
                share,
                float(stitched[name][place]),
                stitched[name].cpu(),
                _most_anomalous(tiling, each.scores[tile], sides[name], tile, place),
            )
            for name, each in maps.items()
        ]
        nearest = _nearest(tiling, features, memory, tile, place)
    if text is not None and object_name is not None:
        said = model.score_features(features, text=text, tiling=tiling)
        weight, score = (model.language_weight if both else 1.0), float(said.anomaly_score)
        terms.append(Term("words", weight, score, said.anomaly_map[0].cpu()))
        loudest = int(model.words_score(features.image, text).argmax())
        prompt = model.words.nearest_prompt(features.image[loudest], object_name, anomalous_states)
    terms.sort(key=lambda term: -term.contribution)
    return Explanation(
        float(result.anomaly_score),
        Box(*place, 1),
        Box(*tiling.offsets[_tile_of(tiling, place)], tiling.tile)
        if tiling.num_tiles > 1
        else None,
        tuple(terms),
        prompt,
        nearest,
    )


def _highest(anomaly_map: Tensor) -> Place:
    """Row and column of the largest value of (R, C) where it counts."""
    return divmod(int(anomaly_map.nan_to_num(-1.0).argmax()), anomaly_map.shape[1])


def _association(
    model: WinClip, features: Features, memory: ReferenceMemory
) -> dict[str, AssociationMap]:
    """What the references say of each of T tiles, scale by scale: scores (T, W), maps (T, P)."""
    num_banks = len(memory.banks)
    parts = [
        model.association_maps(features.take(slice(number, None, num_banks)), bank)
        for number, bank in enumerate(memory.banks)
    ]
    return {
        name: AssociationMap(
            torch.cat([part[name].scores for part in parts]),
            torch.cat([part[name].anomaly_map for part in parts]),
        )
        for name in parts[0]
    }


def _tile_of(tiling: Tiling, place: Place) -> int:
    """The tile that weighs most at a place of the crop."""

    def weight(tile: int) -> int:
        within = [at - start for at, start in zip(place, tiling.offsets[tile], strict=True)]
        ramps = [min(at + 1, tiling.tile - at) for at in within]
        return ramps[0] * ramps[1] if min(ramps) > 0 else 0

    return max(range(tiling.num_tiles), key=weight)


def _most_anomalous(tiling: Tiling, scores: Tensor, side: int, tile: int, place: Place) -> Box:
    """Of the windows of a tile that cover the place the one with the highest score."""
    top, left = tiling.offsets[tile]
    windows = window_patches((tiling.tile, tiling.tile), side)
    inside = (place[0] - top) * tiling.tile + place[1] - left
    covers = (windows == inside).any(dim=1).to(scores.device)
    best = int(scores.masked_fill(~covers, -1.0).argmax())
    row, column = divmod(int(windows[best, 0]), tiling.tile)
    return Box(top + row, left + column, side)


def _nearest(
    tiling: Tiling, features: Features, memory: ReferenceMemory, tile: int, place: Place
) -> Nearest | None:
    """The patch of the references that is most like the one at the place, as its tile sees it."""
    pooled = len(memory.banks) < tiling.num_tiles
    counts = tiling.inside_tiles if pooled else tiling.inside_tiles[tile : tile + 1]
    known = counts.nonzero().tolist()
    bank = memory.banks[0 if pooled else tile]
    if len(bank.patches) != memory.num_references * len(known):
        return None
    top, left = tiling.offsets[tile]
    patch = features.patches[tile, (place[0] - top) * tiling.tile + place[1] - left]
    similarity = unit(bank.patches) @ unit(patch)
    best = int(similarity.argmax())
    reference, which = divmod(best, len(known))
    theirs, inside = known[which]
    top, left = tiling.offsets[theirs if pooled else tile]
    row, column = divmod(inside, tiling.tile)
    return Nearest(reference, Box(top + row, left + column, 1), float(similarity[best]))
