"""The three losses: distillation, metric on masks, language."""

import random
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tools.mini.vocabulary import (
    ANOMALOUS_STATES,
    KIND_STATES,
    KINDS,
    NORMAL_STATES,
    OBJECT_WORDS,
    TEMPLATES,
)

TEMPERATURE = 0.07
FLOOR = 1e-3
BARRED = 4.0
MORE_NORMAL = ("good {}", "clean {}", "intact {}", "new {}", "smooth {}", "normal {}")
MORE_ANOMALOUS = ("defective {}", "faulty {}", "{} with anomaly", "bad {}", "{} with a defect")


def distillation(student: Tensor, target: Tensor) -> Tensor:
    """Mean of 1 - cos over the last dimension, the vectors that the product compares."""
    return (1 - F.cosine_similarity(student.float(), target.float(), dim=-1)).mean()


def cosines(a: Tensor, b: Tensor) -> Tensor:
    """Products of unit vectors [G, N, D] and [G, M, D], in float32 under any autocast."""
    with torch.autocast("cpu", enabled=False):
        return torch.bmm(a, b.transpose(1, 2))


class Metric(nn.Module):
    """Defective places far from, normal ones near to, the normal places of sibling views.

    The distance is that of equation (4), `min (1 - cos) / 2`. Its logarithm, with a learned
    scale and offset, is read as a logit: distances span two decades and their ratio matters.
    """

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(0.5))
        self.offset = nn.Parameter(torch.tensor(-4.4))

    def forward(self, features: Tensor, bad: Tensor, clean: Tensor) -> tuple[Tensor, Tensor]:
        """Loss and distances.

        Args:
            features: [G, V, N, D], places of V views of G products.
            bad: bool [G, V, N], certainly defective.
            clean: bool [G, V, N], certainly normal.

        Returns:
            Scalar loss and distances [G, V, N] in 0..1.
        """
        groups, views, places, _ = features.shape
        unit = F.normalize(features.float(), dim=-1).flatten(1, 2)
        similar = cosines(unit, unit).view(groups, views, places, views * places)
        similar -= BARRED * (~clean).flatten(1)[:, None, None].float()
        for view in range(views):
            similar[:, view, :, view * places : (view + 1) * places] -= BARRED
        nearest = similar.amax(-1).clamp_min(-1)
        distance = (1 - nearest) / 2
        logit = self.scale.exp() * ((distance + FLOOR).log() - self.offset)
        loss = balanced(logit, bad, clean) + 0.2 * _ranking(logit, bad)
        return loss, distance


def balanced(logit: Tensor, bad: Tensor, clean: Tensor) -> Tensor:
    """Binary cross entropy, both classes with equal weight."""
    wrong = F.softplus(-logit[bad]).sum() / bad.sum().clamp_min(1)
    right = F.softplus(logit[clean]).sum() / clean.sum().clamp_min(1)
    return (wrong + right) / 2


def _ranking(logit: Tensor, bad: Tensor) -> Tensor:
    """Defective views above normal ones of the same product, by their three largest logits."""
    score = logit.topk(3, dim=-1).values.mean(-1)
    defective = bad.any(-1)
    pairs = defective[:, :, None] & ~defective[:, None]
    margin = score[:, :, None] - score[:, None]
    return F.softplus(-margin)[pairs].sum() / pairs.sum().clamp_min(1)


@dataclass(frozen=True)
class Prompts:
    """Texts for G products.

    Attributes:
        texts: all prompts, product by product.
        normal, anomalous: prompts of a product in each of the two classes.
    """

    texts: list[str]
    normal: int = 3
    anomalous: int = 3

    @property
    def each(self) -> int:
        """Prompts of one product: both classes, one for each kind, and its plain name."""
        return self.normal + self.anomalous + len(KINDS) + 1


def draw_prompts(names: list[str]) -> Prompts:
    """Random prompts; half of the products go by a name that says nothing."""
    prompts = Prompts([])
    for name in names:
        called = name if random.random() < 0.5 else random.choice(OBJECT_WORDS)
        states = random.choices(NORMAL_STATES + MORE_NORMAL, k=prompts.normal)
        states += random.choices(ANOMALOUS_STATES, k=prompts.anomalous - 1)
        extra = KIND_STATES[random.choice(KINDS)] if random.random() < 0.4 else MORE_ANOMALOUS
        states += [random.choice(extra)]
        states += [random.choice(KIND_STATES[kind]) for kind in KINDS]
        texts = [state.format(called) for state in states] + [name]
        prompts.texts.extend(random.choice(TEMPLATES).format(text) for text in texts)
    return prompts


def word_dropout(rows: Tensor, rate: float) -> Tensor:
    """Token rows [N, T] with a share of the words replaced by the unknown row."""
    words = (rows > 0) & (rows < rows.max())
    words[:, 0] = False
    return rows.masked_fill(words & (torch.rand(rows.shape) < rate), 0)


def language(
    regions: Tensor, text: Tensor, prompts: Prompts, bad: Tensor, clean: Tensor, kinds: Tensor
) -> Tensor:
    """Regions against the two classes, their kind of defect, and the name of the product.

    Args:
        regions: [G, R, D], embeddings of images and windows.
        text: [G * prompts.each, D].
        prompts: how `text` is laid out.
        bad, clean: bool [G, R].
        kinds: int64 [G, R], the kind of defect where `bad`.
    """
    unit = F.normalize(regions.float(), dim=-1)
    text = F.normalize(text.float(), dim=-1).view(len(regions), prompts.each, -1)
    middle = prompts.normal + prompts.anomalous
    normal = F.normalize(text[:, : prompts.normal].mean(1), dim=-1)
    anomalous = F.normalize(text[:, prompts.normal : middle].mean(1), dim=-1)
    logit = cosines(unit, (anomalous - normal)[:, None])[..., 0] / TEMPERATURE
    two = balanced(logit, bad, clean)
    by_kind = cosines(unit, text[:, middle:-1]) / TEMPERATURE
    kind = F.cross_entropy(by_kind[bad], kinds[bad]) if bad.any() else two * 0
    by_name = cosines(unit.flatten(0, 1)[None], text[None, :, -1])[0] / TEMPERATURE
    owner = torch.arange(len(regions)).repeat_interleave(regions.shape[1])
    return two + 0.3 * kind + 0.2 * F.cross_entropy(by_name, owner)
