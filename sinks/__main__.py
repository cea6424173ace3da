"""`python -m sinks CONFIG`: keep the book and tell the world."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from contextlib import ExitStack, closing

from contract.clock import SystemClock
from contract.config import Config
from contract.messages import ProcessMessage, ProcessState
from contract.process import HEARTBEAT_S, Every, Shell, run_process, software_version
from contract.progress import STALLED_S
from contract.sockets import Sockets
from contract.wall_watch import WallWatch
from sinks.admission import Admission
from sinks.arrival import REMEMBERED_FRAMES
from sinks.clocks import Clocks
from sinks.evidence.evidence import EvidenceFolder, evidence_path
from sinks.fanout import Fanout
from sinks.hub import Hub, Watcher
from sinks.journal import FILE_NAME, Journal
from sinks.mes.leftovers import FOLDER_NAME, Leftovers
from sinks.mes.webhook import Webhook
from sinks.metrics.metrics import Metrics
from sinks.metrics.roster import Roster
from sinks.plc.modbus import Plc
from sinks.plc.plcs import Plcs
from sinks.recorder.recorder import Recorder
from sinks.store.store import Store

POLL_MS = 10
IDLE_S = 0.3
CLOCK_NAME = "clock.note"
# Both more than a scorer that was stopped before may hold unacknowledged.
DRAIN_S = 5.0
DRAIN_VERDICTS = 4096

log = logging.getLogger(__name__)


def run(shell: Shell, config: Config, arguments: argparse.Namespace) -> None:
    """Run the sinks until the shell says stop; then store what is on its way.

    Raises:
        ConfigError, AddressInUse, StorageError: the sinks cannot start like this.
    """
    clock = shell.clock
    roster = Roster(config, arguments.config)
    metrics = Metrics(clock=clock, version=software_version(), roster=roster.cameras)
    metrics.watch_clock_step(shell.clock_step_s)
    clocks = Clocks(
        clock, watch=metrics.watch_clock, configured=lambda: roster.cameras().configured
    )
    webhooks = [
        Webhook(
            settings,
            environment=os.environ,
            evidence_path=evidence_path,
            leftovers=Leftovers(config.data_directory / FOLDER_NAME / f"{settings.name}.json"),
            clock=SystemClock(),  # receivers compare with theirs when a message was signed
            metrics=metrics,
        )
        for settings in config.sinks.webhooks
    ]
    with ExitStack() as stack:
        sockets = stack.enter_context(Sockets(config))
        verdicts, status = sockets.bind("verdicts"), sockets.bind("status")
        pictures = sockets.bind("evidence")
        exporter = stack.enter_context(metrics.serve(config.sinks.metrics))
        store = stack.enter_context(Store.open(config.store_url))
        wall = WallWatch(
            SystemClock(), config.data_directory / CLOCK_NAME, step_s=shell.clock_step_s
        )
        evidence = EvidenceFolder(
            config.evidence_directory,
            config.sinks.evidence,
            clock=clock,
            metrics=metrics,
            wall=wall,
        )
        recorder = Recorder(
            store,
            config.sinks,
            clock=clock,
            metrics=metrics,
            evidence_path=evidence_path,
            wall=wall,
        )
        path = config.data_directory / FILE_NAME
        journal = stack.enter_context(closing(Journal(path, clock=clock, metrics=metrics)))
        plcs = [
            Plc(
                settings,
                config.line(settings.line),
                note=journal.note,
                clock_step_s=shell.clock_step_s,
                clock=clock,
                metrics=metrics,
            )
            for settings in config.sinks.modbus
        ]
        judged = journal.left_behind()
        recorder.take_over(judged)
        if judged:
            log.info("%d verdicts that were judged before the last end are stored now", len(judged))
        fanout = Fanout([recorder, *webhooks], metrics, clock, workers=[*plcs, evidence])
        watchers: list[Watcher] = [clocks, *plcs, recorder, metrics, *webhooks]
        hub = Hub(
            verdicts,
            status,
            pictures,
            plcs=Plcs(plcs),
            fanout=fanout,
            recorder=recorder,
            evidence=evidence,
            watchers=watchers,
            metrics=metrics,
            journal=journal,
            admission=Admission(
                config.station,
                roster.cameras,
                [book.key[:3] for book in store.books(open_only=True)],
                clock=clock,
                metrics=metrics,
            ),
            clocks=clocks,
            clock=clock,
        )
        hub.recall(store.newest_frames(limit=REMEMBERED_FRAMES), judged)

        heartbeat = Every(HEARTBEAT_S, clock)

        def beat() -> bool:
            """Tell supervisor and watchers how far this is; whether there is time to finish."""
            states = {plc.name: plc.state for plc in plcs}
            shell.beat(done=hub.taken, left=fanout.left, states=states)
            if heartbeat.due():
                own = _own_heartbeat(shell, config).model_copy(
                    update={
                        "pending": fanout.left,
                        "wire_errors": metrics.wire_errors,
                        "connections_refused": dict(sockets.refused + exporter.refused),
                    }
                )
                for watcher in watchers:
                    watcher.observe(own)
            return not shell.hurried

        fanout.start()
        shell.ready()
        try:
            while not shell.stopping:
                hub.turn(POLL_MS)
                beat()
                recorder.require_store()
            hub.drain(idle_s=IDLE_S, within_s=DRAIN_S, most=DRAIN_VERDICTS, go_on=beat)
        finally:
            # Whatever ended the loop, the PLC must hear of it.
            fanout.stop(STALLED_S, turn=beat)
        hub.acknowledge()
        sockets.close(verdicts, linger_ms=500)


def _own_heartbeat(shell: Shell, config: Config) -> ProcessMessage:
    """What another process would send: these sinks may hang or be restarted, too."""
    return ProcessMessage(
        station=config.station,
        process="sinks",
        state=ProcessState.DRAINING if shell.stopping else ProcessState.READY,
        sent_ns=shell.clock.wall_ns(),
        version=software_version(),
        process_restarts=None if shell.restarts is None else dict(shell.restarts),
    )


if __name__ == "__main__":
    sys.exit(run_process("sinks", run))
