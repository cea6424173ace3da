"""The main loop around a fake model: what waits is always worked off."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import cast

import numpy as np
import pytest
import torch

from contract.clock import Clock, SystemClock
from contract.codec import decode_verdict, encode
from contract.config import CacheSettings, Config
from contract.messages import AckMessage, Outcome, VerdictMessage
from contract.process import Shell
from contract.progress import STALLED_S
from contract.sockets import Sockets
from scorer import WinClip
from scorer.references.shelf import Shelf
from scorer.serving.batch import BatchScorer
from scorer.serving.collector import Collector
from scorer.serving.cost import Cost
from scorer.serving.engine import Engine
from scorer.serving.evidence import EvidenceSender
from scorer.serving.lines import Lines, LineState, MemoryInUse
from scorer.serving.scheduler import Scheduler
from scorer.serving.service import OUTBOX_VERDICTS, Service
from scorer.serving.verdicts import Thresholds
from scorer.windows.backbone import Crop, Seen
from tests.contract.stations import station
from tests.fakes import FakeClock
from tests.scorer.fake_model import LENIENT, FakeModel, fake_tiling
from tests.scorer.frames import frame
from tests.scorer.shelves import line


class StoppingShell:
    """Surroundings of a process that was told to stop before it began.

    Args:
        turn_s: what each turn of the main loop takes, on a clock that stands still otherwise.
    """

    stopping = True
    hurried = False
    restarts = None

    def __init__(
        self, clock: Clock | None = None, *, turn_s: float = 0.1, orphaned: bool = False
    ) -> None:
        self.orphaned = orphaned
        self.clock = clock or SystemClock()
        self._turn_s = turn_s

    def beat(self, **progress: int) -> None:
        """Nobody listens, but time goes on."""
        if isinstance(self.clock, FakeClock):
            self.clock.advance(self._turn_s)


class SlowModel(FakeModel):
    """Takes its time."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self._clock = clock

    def look(self, crops: Sequence[Crop], cache: object = None) -> list[Seen]:
        self._clock.advance(STALLED_S - 1)
        return super().look(crops, cache)


class OneLine(dict[str, LineState]):
    """The line `bottles`, which never changes."""

    def reload(self) -> None:
        """Nothing on disk."""


@contextmanager
def _sinks(config: Config) -> Iterator[list[VerdictMessage]]:
    """Acknowledges whatever comes, until the end of the block."""
    received: list[VerdictMessage] = []
    done = Event()
    with Sockets(config) as sockets:
        socket = sockets.bind("verdicts")

        def serve() -> None:
            while not done.is_set():
                while socket.poll(20):
                    identity, *parts = socket.recv_multipart()
                    received.append(decode_verdict(parts))
                    delivery_id = received[-1].delivery_id
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


def _serve(directory: Path, shell: StoppingShell, model: FakeModel, *, waiting: int) -> None:
    """Run a service that was told to stop while `waiting` frames wait, to its end."""
    base = station(directory)
    scorer_settings = base.scorer.model_copy(update={"max_pending_frames": waiting})
    config = base.model_copy(update={"scorer": scorer_settings})
    lines = cast(
        Lines,
        OneLine(
            bottles=LineState(
                line(), torch.ones(1), fake_tiling(), MemoryInUse(LENIENT, "v1", Thresholds(0.5))
            )
        ),
    )
    shelf = Shelf(config.memory_directory)
    scheduler = Scheduler(max_pending=waiting, max_batch_frames=8, max_batch_tokens=1000)
    cache = CacheSettings.model_validate({"mode": "off"})
    winclip = cast(WinClip, model)
    engine = Engine(
        BatchScorer(winclip, lines, cache),
        lines,
        scheduler,
        shell.clock,
        model=FakeModel.fingerprint,
        dtype="float32",
        cost=Cost(),
    )
    pixels = np.zeros((16, 16, 3), dtype=np.uint8)
    for number in range(waiting):
        assert engine.submit(frame(number, pixels=pixels), 0) == []
    with (
        Sockets(config) as sockets,
        Collector(winclip, lines, shelf, shell.clock) as collector,
        EvidenceSender(sockets) as evidence,
    ):
        Service(
            cast(Shell, shell),
            config,
            sockets,
            engine=engine,
            scheduler=scheduler,
            lines=lines,
            collector=collector,
            shelf=shelf,
            evidence=evidence,
        ).run()


@pytest.mark.parametrize("waiting", [3, OUTBOX_VERDICTS + 100])
def test_any_number_of_waiting_frames_is_worked_off(short_directory: Path, waiting: int) -> None:
    """`max_pending_frames` may be larger than the outbox."""
    with _sinks(station(short_directory)) as received:
        _serve(short_directory, StoppingShell(), FakeModel(), waiting=waiting)
    assert sorted(verdict.frame_id for verdict in received) == list(range(waiting))
    assert {verdict.outcome for verdict in received} == {Outcome.PASS}


def test_a_slow_model_is_waited_for_as_long_as_it_gets_on(short_directory: Path) -> None:
    """Every batch takes nearly as long as nothing may take; together they take ten times that.

    So long that verdicts are sent again meanwhile, which the sinks count once.
    """
    clock = FakeClock()
    with _sinks(station(short_directory)) as received:
        _serve(short_directory, StoppingShell(clock), SlowModel(clock), waiting=80)
    assert {verdict.outcome for verdict in received} == {Outcome.PASS}
    assert {verdict.frame_id for verdict in received} == set(range(80))


@pytest.mark.parametrize(("orphaned", "after_s"), [(False, 60), (True, 5)])
def test_without_sinks_a_drain_ends(
    orphaned: bool, after_s: int, short_directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """An orphan's sinks end by themselves, and no station can start before it has ended."""
    shell = StoppingShell(FakeClock(), turn_s=1.0, orphaned=orphaned)
    _serve(short_directory, shell, FakeModel(), waiting=3)
    assert f"nothing has moved for {after_s} s" in caplog.text
    assert "3 verdicts were not acknowledged" in caplog.text


def test_in_a_hurry_what_waits_is_given_up_and_said(short_directory: Path) -> None:
    shell = StoppingShell()
    shell.hurried = True
    with _sinks(station(short_directory)) as received:
        _serve(short_directory, shell, FakeModel(), waiting=20)
    assert {(each.outcome, each.reason) for each in received} == {(Outcome.UNSCORED, "shutdown")}
    assert len(received) == 20
