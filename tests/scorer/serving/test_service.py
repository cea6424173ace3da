"""The main loop around a fake model: what waits is always worked off."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import cast

import numpy as np
import pytest
import torch

from contract.clock import SystemClock
from contract.codec import Verdict, decode_verdict, encode
from contract.config import CacheSettings, Config
from contract.messages import AckMessage, Outcome
from contract.process import Shell
from contract.sockets import Sockets
from scorer import WinClip
from scorer.references.shelf import Shelf
from scorer.serving.batch import BatchScorer
from scorer.serving.collector import Collector
from scorer.serving.cost import Cost
from scorer.serving.engine import Engine
from scorer.serving.lines import Lines, LineState, MemoryInUse
from scorer.serving.scheduler import Scheduler
from scorer.serving.service import OUTBOX_VERDICTS, Service
from scorer.serving.verdicts import Thresholds
from tests.contract.stations import station
from tests.scorer.fake_model import LENIENT, FakeModel, fake_view
from tests.scorer.frames import frame
from tests.scorer.shelves import line


class StoppingShell:
    """Surroundings of a process that was told to stop before it began."""

    clock = SystemClock()
    stopping = True
    hurried = False
    restarts = None

    def beat(self, **progress: int) -> None:
        """Nobody listens."""


class OneLine(dict[str, LineState]):
    """The line `bottles`, which never changes."""

    def reload(self) -> None:
        """Nothing on disk."""


@contextmanager
def _sinks(config: Config) -> Iterator[list[Verdict]]:
    """Acknowledges whatever comes, until the end of the block."""
    received: list[Verdict] = []
    done = Event()
    with Sockets(config) as sockets:
        socket = sockets.bind("verdicts")

        def serve() -> None:
            while not done.is_set():
                while socket.poll(20):
                    identity, *parts = socket.recv_multipart()
                    received.append(decode_verdict(parts))
                    delivery_id = received[-1].header.delivery_id
                    socket.send_multipart(
                        [identity, encode(AckMessage(delivery_ids=(delivery_id,)))]
                    )

        thread = Thread(target=serve)
        thread.start()
        try:
            yield received
        finally:
            done.set()
            thread.join(10)


@pytest.mark.parametrize("waiting", [3, OUTBOX_VERDICTS + 100])
def test_any_number_of_waiting_frames_is_worked_off(short_directory: Path, waiting: int) -> None:
    """`max_pending_frames` may be larger than the outbox."""
    base = station(short_directory)
    scorer_settings = base.scorer.model_copy(update={"max_pending_frames": waiting})
    config = base.model_copy(update={"scorer": scorer_settings})
    shell = cast(Shell, StoppingShell())
    model = cast(WinClip, FakeModel())
    lines = cast(
        Lines,
        OneLine(
            bottles=LineState(
                line(), torch.ones(1), fake_view(), MemoryInUse(LENIENT, "v1", Thresholds(0.5))
            )
        ),
    )
    shelf = Shelf(config.memory_directory)
    scheduler = Scheduler(max_pending=waiting, max_batch_frames=8, max_batch_tokens=1000)
    cache = CacheSettings.model_validate({"mode": "off"})
    engine = Engine(
        BatchScorer(model, lines, cache),
        lines,
        scheduler,
        shell.clock,
        model=FakeModel.fingerprint,
        cost=Cost(),
    )
    pixels = np.zeros((16, 16, 3), dtype=np.uint8)
    for number in range(waiting):
        assert engine.submit(frame(number, pixels=pixels), 0) == []
    with _sinks(config) as received:
        with Sockets(config) as sockets, Collector(model, lines, shelf, shell.clock) as collector:
            Service(
                shell,
                config,
                sockets,
                engine=engine,
                scheduler=scheduler,
                lines=lines,
                collector=collector,
                shelf=shelf,
            ).run()
    assert sorted(verdict.header.frame_id for verdict in received) == list(range(waiting))
    assert {verdict.header.outcome for verdict in received} == {Outcome.PASS}
