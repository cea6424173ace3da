"""`python -m ingest CONFIG --camera NAME`: one camera's frames to the scorer."""

from __future__ import annotations

import argparse
import logging
import os
import random
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial

from contract.config import Camera, Config
from contract.errors import SourceError
from contract.process import Shell, run_process
from contract.reasons import EndReason
from contract.sockets import Sockets
from ingest.credentials import location_of
from ingest.feeder import Feeder
from ingest.intake import Intake
from ingest.outlet import Outlet, monitored
from ingest.picture import Stream
from ingest.reader import Reader
from ingest.reconnect import Reconnect
from ingest.reporter import Reporter
from ingest.session import Session, begin
from ingest.source import endless

LINGER_MS = 5000

log = logging.getLogger(__name__)


def body(shell: Shell, config: Config, arguments: argparse.Namespace) -> None:
    """Run one camera until its source ends or the process is to stop."""
    session = begin(config, arguments.camera, shell.clock)
    reader = Reader(
        session,
        open_source=_opener(session),
        intake=Intake(session),
        reconnect=Reconnect(shell.clock, random.random),
    )
    with Sockets(config) as sockets:
        status = sockets.connect("status", role="ingest")
        frames = sockets.connect("frames", prepare=monitored)
        with closing(Outlet(frames, session.stream)) as outlet:
            reason = Feeder(
                session,
                reader=reader,
                outlet=outlet,
                reporter=Reporter(session, status, restarts=shell.restarts),
                shell=shell,
            ).run()
        for socket in (frames, status):
            sockets.close(socket, linger_ms=LINGER_MS)
    _log_end(session, reason)
    _raise_failure(reader.failure, session.camera)


def _opener(session: Session) -> Callable[[], Stream]:
    """Opens the session's source anew, with the password of the moment."""

    def open_once() -> Stream:
        return session.kind.open(session.camera, location_of(session.camera, os.environ))

    loops = session.camera.loop and not session.kind.live
    return partial(endless, open_once) if loops else open_once


def _log_end(session: Session, reason: EndReason) -> None:
    log.info(
        "camera %s %s: %d decoded, %d admitted, %d dropped, %d undecodable, %d restarts",
        session.camera.name,
        reason,
        session.tally.decoded,
        session.slot.admitted,
        session.drops.dropped,
        session.tally.undecodable,
        session.tally.restarts,
    )


def _raise_failure(failure: BaseException | None, camera: Camera) -> None:
    if isinstance(failure, SourceError):
        raise type(failure)(f"camera {camera.name}: {failure.what}", failure.remedy) from None
    if failure is not None:
        raise failure


def main(argv: Sequence[str] | None = None) -> int:
    """The exit code: 0 ended or stopped, 1 may heal, 2 needs a person."""
    return run_process(
        "ingest",
        body,
        argv,
        add_arguments=_add_arguments,
    )


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--camera", required=True, help="name of a camera in the configuration")


if __name__ == "__main__":
    sys.exit(main())
