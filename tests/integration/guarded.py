"""A station whose only line tells its results to a PLC."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sinks.plc.registers import Status
from tests.integration.station import Station
from tests.integration.test_station import metrics_on, taught_line, teach
from tests.plc import PlcServer, free_port


def guarded_station(
    directory: Path,
    folder: Path,
    plc: PlcServer,
    *,
    deadline_s: float = 9.0,
    supervisor: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Station:
    """One taught line, `belt`, that sees the pictures of `folder` over and over again."""
    gate = {"name": "gate", "line": "belt", "host": "127.0.0.1", "port": plc.port}
    station = Station(
        directory,
        [{**taught_line("belt", folder, fps=5, loop=True), "deadline_s": deadline_s}],
        {
            "sinks": {**metrics_on(free_port()), "modbus": [gate]},
            "scorer": {"model": {"num_threads": 1}},
            "supervisor": supervisor or {},
        },
        environment=environment,
    )
    teach(station, "belt")
    return station


def shows_pass(plc: PlcServer) -> bool:
    return bool(plc.block.status & Status.PASS)
