"""Hundreds of slow connections to the ports of a real sinks process, which has few descriptors."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from contract.config import Config
from contract.curve import create_keys
from contract.errors import EXIT_OK
from contract.messages import Outcome
from sinks.plc.registers import Status
from tests.plc import free_port, plc_server
from tests.sinks.kit import (
    Peers,
    camera,
    config_for,
    existing,
    peers,
    running,
    scorer_alive,
    until,
    verdict,
)

DESCRIPTORS = 256
CROWD = 300
ROGUE = "127.0.0.2"
TCP = ("verdicts", "status", "evidence")
REFUSED = "flawline_connections_refused_total"


def config_with(directory: Path, *, plc_port: int, tcp: bool) -> Config:
    """One line with a PLC; the channels over tcp if wanted."""
    plc = {"name": "gate", "line": "belt", "host": "127.0.0.1", "port": plc_port}
    config = config_for(directory / "data", modbus=[plc])
    if not tcp:
        return config
    create_keys(directory / "keys")
    network = {name: f"tcp://127.0.0.1:{free_port()}" for name in TCP}
    document = config.model_dump(mode="json", exclude_none=True)
    document["network"] = network | {"curve_directory": str(directory / "keys")}
    return Config.model_validate(document)


@contextmanager
def crowd(port: int, *, says: bytes) -> Iterator[list[socket.socket]]:
    """Connections from another host that say this and then nothing."""
    with ExitStack() as stack:
        connections = []
        for _ in range(CROWD):
            source = (ROGUE, 0)
            connection = socket.create_connection(("127.0.0.1", port), 30, source_address=source)
            connections.append(stack.enter_context(connection))
            connection.sendall(says)
        yield connections


def require_work(config: Config, them: Peers, *, plc_port: int, frame_id: int) -> None:
    """A PLC that was not there is connected, a verdict stored, its picture written."""
    with plc_server(plc_port) as plc:
        until(lambda: plc.blocks)
        them.tell(camera(frame_id + 1), scorer_alive())
        until(lambda: plc.block.status & Status.ONLINE)
        bad = verdict(frame_id, Outcome.FAIL, picture=True)
        them.send(bad)
        them.show(bad)
        them.await_acks()
        until(lambda: plc.block.status & Status.FAIL)
    with existing(config) as store:
        path = {event.frame_id: event for event in store.events()}[frame_id].evidence
    assert path is not None
    until((config.evidence_directory / path).is_file)


@pytest.mark.parametrize("says", [b"", b"GET /metrics HTTP/1.1\r\nHost: x\r\nX: "])
def test_a_crowd_at_the_metrics_stops_nothing(short_directory: Path, says: bytes) -> None:
    plc_port = free_port()
    config = config_with(short_directory, plc_port=plc_port, tcp=False)
    with peers(config) as them, running(config, short_directory, descriptors=DESCRIPTORS) as sinks:
        port = int(sinks.metrics_url.split(":")[2].split("/")[0])
        with crowd(port, says=says) as connections:
            refused = sinks.sample(REFUSED, stage="sinks", reason="crowded")
            assert connections[0].recv(100).startswith(b"HTTP/1.0 503 "), "told so, and why"
            require_work(config, them, plc_port=plc_port, frame_id=0)
            until(lambda: sinks.sample(REFUSED, reason="crowded") >= CROWD - DESCRIPTORS)
            assert refused <= CROWD
            assert connections[-1].recv(100).startswith(b"HTTP/1.0 408 "), "slow, not crowded"
            until(lambda: sinks.sample(REFUSED, stage="sinks", reason="slow") > 0)
        assert sinks.log.read_text().count("connection to the metrics was cut off") == 1
        assert sinks.stop() == EXIT_OK, sinks.log.read_text()


def test_a_crowd_at_the_channels_stops_nothing(short_directory: Path) -> None:
    plc_port = free_port()
    config = config_with(short_directory, plc_port=plc_port, tcp=True)
    with peers(config) as them, running(config, short_directory, descriptors=DESCRIPTORS) as sinks:
        them.send(verdict(0))
        them.await_acks()
        with ExitStack() as stack:
            for name in TCP:
                port = int(getattr(config.network, name).rsplit(":", 1)[1])
                stack.enter_context(crowd(port, says=b""))
            require_work(config, them, plc_port=plc_port, frame_id=1)
            with peers(config) as newcomer:
                newcomer.send(verdict(2))
                newcomer.await_acks()
            until(lambda: sinks.sample(REFUSED, reason="crowded") >= 3 * (CROWD - DESCRIPTORS))
            until(lambda: sinks.sample(REFUSED, stage="sinks", reason="handshake") > 0)
        assert sinks.stop() == EXIT_OK, sinks.log.read_text()
