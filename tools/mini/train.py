"""Train `flawline-mini`: distillation, metric and language at once, within a budget of minutes.

Checkpointed and resumable: the same command again goes on where the last checkpoint ended.
"""

import argparse
import random
import time
from pathlib import Path

import numpy as np
import torch

from tools.mini.data import POOL
from tools.mini.pool import Pool, loader
from tools.mini.trainer import Progress, Trainer

CHECKPOINT = Path("build/mini/checkpoint.pt")
FITTED_GROUPS = 200


def train(trainer: Trainer, minutes: float, every: float, checkpoint: Path) -> None:
    """Steps until the budget is spent; saves each `every` minutes and at the end."""
    seed = trainer.seed + trainer.progress.steps
    torch.manual_seed(seed)
    random.seed(seed)
    batches = loader(Pool(trainer.pool, trainer.groups, seed))
    last = saved = time.monotonic()
    log: list[dict[str, float]] = []
    for batch in batches:
        log.append(trainer.step(batch, trainer.progress.seconds / (minutes * 60)))
        now = time.monotonic()
        trainer.progress.seconds += now - last
        last = now
        if trainer.progress.steps % 25 == 0:
            report(trainer.progress, log)
            log.clear()
        if now - saved > every * 60:
            trainer.save(checkpoint)
            saved = now
        if trainer.progress.seconds > minutes * 60:
            break
    trainer.save(checkpoint)


def report(progress: Progress, log: list[dict[str, float]]) -> None:
    """Print the mean figures of the last steps."""
    means = {key: float(np.nanmean([row[key] for row in log])) for key in log[0]}
    figures = "  ".join(f"{key} {value:.3f}" for key, value in means.items())
    speed = progress.images / max(progress.seconds, 1e-9)
    print(
        f"{progress.seconds / 60:5.1f} min  step {progress.steps}  {progress.images} images"
        f"  {speed:.1f}/s  {figures}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pool", type=Path, default=POOL)
    parser.add_argument("--checkpoint", type=Path, default=CHECKPOINT)
    parser.add_argument("--weights", type=Path, help="an exported model to go on from")
    parser.add_argument("--minutes", type=float, default=90, help="budget over all sessions")
    parser.add_argument("--every", type=float, default=3, help="minutes between checkpoints")
    parser.add_argument("--groups", type=int, default=4, help="products a batch, 4 views each")
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2, help="parts of a batch at once")
    args = parser.parse_args()
    torch.set_num_threads(1)
    trainer = Trainer(args.pool, args.seed, args.groups, args.rate, args.threads)
    if args.checkpoint.exists():
        trainer.load(args.checkpoint)
        print(f"resumed after {trainer.progress.images} images")
    else:
        first = loader(Pool(args.pool, FITTED_GROUPS, args.seed))
        trainer.start(next(iter(first)).images.flatten(0, 1), args.weights)
    train(trainer, args.minutes, args.every, args.checkpoint)


if __name__ == "__main__":
    main()
