"""`python -m scorer CONFIG`: frames in, verdicts out."""

from __future__ import annotations

import argparse
import sys

import torch

from contract.clock import NS_PER_S
from contract.config import Config
from contract.process import Shell, run_process
from contract.sockets import Sockets
from scorer.references.shelf import Shelf
from scorer.scoring.winclip import load_model
from scorer.serving.batch import BatchScorer
from scorer.serving.collector import Collector
from scorer.serving.engine import Engine
from scorer.serving.evidence import EvidenceSender
from scorer.serving.lines import Lines
from scorer.serving.scheduler import Scheduler
from scorer.serving.service import Service
from scorer.serving.warmup import warm_up


def body(shell: Shell, config: Config, arguments: argparse.Namespace) -> None:
    """Load, warm up, serve."""
    settings = config.scorer
    if settings.model.num_threads is not None:
        torch.set_num_threads(settings.model.num_threads)
    model = load_model(settings.model)
    shell.start.passed("model")
    shelf = Shelf(config.memory_directory)
    lines = Lines(config.lines, model, shelf, shell.clock)
    shell.start.passed("words and memories")
    tilings = [state.tiling for state in lines.values()]
    budget = warm_up(model.backbone, tilings, max_frames=settings.max_batch_frames)
    shell.start.passed("warm-up")
    scheduler = Scheduler(
        max_pending=settings.max_pending_frames,
        max_batch_frames=settings.max_batch_frames,
        max_batch_tokens=budget.max_tokens,
        max_wait_ns=int(settings.max_wait_s * NS_PER_S),
    )
    with (
        Sockets(config) as sockets,
        Collector(model, lines, shelf, shell.clock) as collector,
        EvidenceSender(sockets) as evidence,
    ):
        service = Service(
            shell,
            config,
            sockets,
            engine=Engine(
                BatchScorer(model, lines, settings.cache),
                lines,
                scheduler,
                shell.clock,
                model=model.fingerprint,
                dtype=model.backbone.dtype,
                cost=budget.cost,
                pass_sample_fraction=settings.pass_sample_fraction,
            ),
            scheduler=scheduler,
            lines=lines,
            collector=collector,
            shelf=shelf,
            evidence=evidence,
        )
        shell.ready()
        service.run()


if __name__ == "__main__":
    sys.exit(run_process("scorer", body))
