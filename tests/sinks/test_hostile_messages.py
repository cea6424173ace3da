"""Whatever comes over the channels of the sinks is counted, and they do their work.

One process for all; after each message a verdict is stored and acknowledged.
"""

from __future__ import annotations

import io
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import zmq
from PIL import Image

from contract.channels import CHANNELS
from contract.codec import encode, encode_evidence
from contract.config import Config
from contract.messages import Message
from contract.sockets import endpoint_of
from tests.hostile import headers
from tests.sinks.kit import (
    Peers,
    Process,
    camera,
    config_for,
    evidence_of,
    peers,
    running,
    until,
    verdict,
)

LIMIT_S = 10.0  # between two lines about broken messages
GOOD: dict[str, Message] = {
    "verdicts": verdict(0),
    "status": camera(1),
    "evidence": evidence_of(verdict(0)).header,
}
HEADERS = {
    "verdicts": headers(GOOD["verdicts"], number="epoch", name="line"),
    "status": headers(GOOD["status"], number="admitted", name="camera"),
    "evidence": headers(GOOD["evidence"], number="verdict.epoch", name="verdict.line"),
}
_, MAP, JPEG = encode_evidence(evidence_of(verdict(0)))
PARTS = {
    "verdicts": {
        "two parts": [encode(GOOD["verdicts"]), b"x"],
        "four parts": [encode(GOOD["verdicts"]), b"", b"", b""],
        "a thousand parts": [b""] * 1000,
        "a count of nobody": [encode(verdict(1 << 60))],
    },
    "status": {
        "two parts": [encode(GOOD["status"]), b""],
        "a count of nobody": [encode(camera(1 << 60))],
    },
    "evidence": {
        "header alone": [encode(GOOD["evidence"])],
        "map too short": [encode(GOOD["evidence"]), MAP[:-1], JPEG],
        "map too long": [encode(GOOD["evidence"]), MAP + b"\0", JPEG],
        "picture too short": [encode(GOOD["evidence"]), MAP, JPEG[:-1]],
        "four parts": [encode(GOOD["evidence"]), MAP, JPEG, b""],
    },
}
ROWS = [
    pytest.param(channel, parts, id=f"{channel}: {name}")
    for channel, broken in HEADERS.items()
    for name, parts in [
        *((key, [header, *([MAP, JPEG] if channel == "evidence" else [])])
          for key, header in broken.items()),
        *PARTS[channel].items(),
    ]
]  # fmt: skip


class Sinks:
    """Sinks that run, and honest peers of theirs."""

    def __init__(self, config: Config, process: Process, them: Peers) -> None:
        self.config, self.process, self._them = config, process, them
        self._frame_ids = count()
        self.start_s = time.monotonic()

    def broken(self) -> float:
        return self.process.sample("flawline_wire_errors_total")

    def require_work(self) -> None:
        """A verdict is stored, and the process is the same."""
        self._them.send(verdict(next(self._frame_ids)))
        self._them.await_acks()
        assert self.process.popen.poll() is None, self.process.log.read_text()


@pytest.fixture(scope="module")
def sinks() -> Iterator[Sinks]:
    with tempfile.TemporaryDirectory(prefix="fl-", dir="/tmp") as home:
        config = config_for(Path(home) / "data")
        with peers(config) as them, running(config, Path(home)) as process:
            running_sinks = Sinks(config, process, them)
            running_sinks.require_work()
            yield running_sinks


@pytest.fixture(scope="module")
def rogue(sinks: Sinks) -> Iterator[dict[str, zmq.Socket[bytes]]]:
    """Sockets of the right kind, of somebody who sends what he likes."""
    with zmq.Context() as context:
        sockets = {}
        for channel in HEADERS:
            sockets[channel] = context.socket(CHANNELS[channel].connect_type)
            sockets[channel].linger = 0
            sockets[channel].sndtimeo = 10_000
            sockets[channel].connect(endpoint_of(sinks.config, channel))
        yield sockets
        for socket in sockets.values():
            socket.close()


@pytest.mark.parametrize(("channel", "parts"), ROWS)
def test_a_broken_message_is_counted_and_survived(
    sinks: Sinks, rogue: dict[str, zmq.Socket[bytes]], channel: str, parts: list[bytes]
) -> None:
    before = sinks.broken()
    rogue[channel].send_multipart(parts)
    until(lambda: sinks.broken() == before + 1)
    sinks.require_work()


def _jpeg(mode: str, size: tuple[int, int]) -> bytes:
    encoded = io.BytesIO()
    Image.new(mode, size).save(encoded, "JPEG")
    return encoded.getvalue()


@pytest.mark.parametrize(
    ("values", "jpeg"),
    [
        (np.nan, JPEG),
        (np.inf, JPEG),
        (-3e38, JPEG),
        (0.5, b""),
        (0.5, b"GIF89a" + bytes(100)),
        (0.5, JPEG[: len(JPEG) // 2]),
        (0.5, _jpeg("L", (3, 5000))),
        (0.5, _jpeg("CMYK", (1, 1))),
    ],
)
def test_an_odd_picture_is_drawn_or_counted_and_crashes_nobody(
    sinks: Sinks, rogue: dict[str, zmq.Socket[bytes]], values: float, jpeg: bytes
) -> None:
    """The next one, which is whole, is drawn."""
    folder = sinks.config.evidence_directory
    drawn = len(list(folder.rglob("*.jpg")))
    errors = sinks.process.sample("flawline_sink_errors_total", sink="evidence")
    good = evidence_of(verdict(next(_PICTURES)))
    anomaly_map = np.full(good.anomaly_map.shape, values, dtype="<f4").tobytes()
    header = evidence_of(verdict(next(_PICTURES))).header
    odd = header.model_copy(update={"jpeg_nbytes": len(jpeg)})
    rogue["evidence"].send_multipart([encode(odd), anomaly_map, jpeg])
    rogue["evidence"].send_multipart(encode_evidence(good))

    def done() -> float:
        now = sinks.process.sample("flawline_sink_errors_total", sink="evidence")
        return len(list(folder.rglob("*.jpg"))) - drawn + now - errors

    until(lambda: done() == 2)
    crashed = {"sink": "evidence", "reason": "crashed"}
    assert sinks.process.sample("flawline_sink_errors_total", **crashed) == 0
    sinks.require_work()


_PICTURES = count(1_000_000)


@pytest.mark.parametrize("channel", HEADERS)
@pytest.mark.parametrize("kind", [zmq.DEALER, zmq.ROUTER, zmq.REQ, zmq.PUSH, zmq.SUB, zmq.PAIR])
def test_a_socket_of_another_kind_is_survived(sinks: Sinks, channel: str, kind: int) -> None:
    with zmq.Context() as context, context.socket(kind) as peer:
        peer.linger = 0
        peer.connect(endpoint_of(sinks.config, channel))
        if kind == zmq.SUB:
            peer.subscribe(b"everything")
        elif peer.poll(200, zmq.POLLOUT):
            with suppress(zmq.Again):  # the other side may have hung up meanwhile
                peer.send_multipart([b"x", b"", b"junk"], zmq.NOBLOCK)
        sinks.require_work()


def test_the_log_stays_short(sinks: Sinks) -> None:
    """The last of this module: it looks back on all that came."""
    lines = sinks.process.log.read_text().splitlines()
    told = [line for line in lines if "message dropped" in line]
    assert 1 <= len(told) <= 1 + (time.monotonic() - sinks.start_s) / LIMIT_S
    assert all(len(line) < 1000 for line in lines)
    assert not any("all is well" in line and "sinks: message dropped" not in line for line in lines)
