"""`python -m sinks CONFIG`: keep the book and tell the world."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import ExitStack

from contract.config import Config
from contract.process import Shell, run_process, software_version
from contract.sockets import Sockets
from sinks.evidence.evidence import EvidenceFolder, evidence_path
from sinks.fanout import Fanout
from sinks.hub import Hub
from sinks.mes.webhook import Webhook
from sinks.metrics.metrics import Metrics
from sinks.plc.modbus import Plc
from sinks.recorder.recorder import Recorder
from sinks.store.store import Store

POLL_MS = 10
IDLE_S = 0.3
DRAIN_S = 5.0
STOP_S = 10.0


def run(shell: Shell, config: Config, arguments: argparse.Namespace) -> None:
    """Run the sinks until the shell says stop; then store what is on its way.

    Raises:
        ConfigError, AddressInUse, StorageError: the sinks cannot start like this.
    """
    clock = shell.clock
    metrics = Metrics(clock=clock, version=software_version())
    webhooks = [
        Webhook(
            settings,
            environment=os.environ,
            evidence_path=evidence_path,
            clock=clock,
            metrics=metrics,
        )
        for settings in config.sinks.webhooks
    ]
    plcs = [
        Plc(settings, config.line(settings.line), clock=clock, metrics=metrics)
        for settings in config.sinks.modbus
    ]
    with ExitStack() as stack:
        sockets = stack.enter_context(Sockets(config))
        verdicts, status = sockets.bind("verdicts"), sockets.bind("status")
        pictures = sockets.bind("evidence")
        stack.enter_context(metrics.serve(config.sinks.metrics))
        store = stack.enter_context(Store.open(config.store_url))
        evidence = EvidenceFolder(
            config.evidence_directory, config.sinks.evidence, clock=clock, metrics=metrics
        )
        recorder = Recorder(
            store, config.sinks, clock=clock, metrics=metrics, evidence_path=evidence_path
        )
        fanout = Fanout([*plcs, recorder, *webhooks], metrics, workers=[evidence])
        hub = Hub(
            verdicts,
            status,
            pictures,
            fanout=fanout,
            recorder=recorder,
            evidence=evidence,
            watchers=[*plcs, recorder, metrics],
            metrics=metrics,
            clock=clock,
        )
        fanout.start()
        shell.ready()
        while not shell.stopping:
            hub.turn(POLL_MS)
        hub.drain(idle_s=IDLE_S, within_s=DRAIN_S)
        fanout.stop(STOP_S)
        hub.acknowledge()
        sockets.close(verdicts, linger_ms=500)


if __name__ == "__main__":
    sys.exit(run_process("sinks", run))
