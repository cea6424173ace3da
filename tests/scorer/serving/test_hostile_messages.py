"""Whatever comes over the channels of the scorer is counted, and it judges the next frame.

One process for all. Its frames are of a line that was never taught: the model has nothing to do
with what is tested here.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import zmq

from contract.channels import CHANNELS
from contract.codec import decode, encode, encode_frame
from contract.messages import Message, ReplyMessage, RequestMessage
from contract.sockets import endpoint_of
from tests.hostile import headers
from tests.scorer.frames import frame
from tests.scorer.running import RunningScorer, write_config

LIMIT_S = 10.0  # between two lines about broken messages
GOOD, PIXELS = map(bytes, encode_frame(frame(0)))
REQUEST: Message = RequestMessage(command="status", line="cans", count=3)
FRAMES = {
    name: [header, PIXELS]
    for name, header in headers(frame(0).header, number="epoch", name="line").items()
} | {
    "nothing": [b""],
    "header alone": [GOOD],
    "three parts": [GOOD, PIXELS, b""],
    "a thousand parts": [b""] * 1000,
    "pixels too short": [GOOD, PIXELS[:-1]],
    "pixels too many": [GOOD, bytes(1 << 20)],
    "a count of nobody": [encode(frame(1 << 60).header), PIXELS],
    "size that is not that of the pixels": [GOOD.replace(b'"nbytes":48', b'"nbytes":49'), PIXELS],
    "size of a house": [
        GOOD.replace(b'"height_px":4', b'"height_px":99999999').replace(b":48", b":1199999988"),
        PIXELS,
    ],
}
QUESTIONS = {
    name: [header] for name, header in headers(REQUEST, number="count", name="line").items()
} | {"two parts": [encode(REQUEST), b"x"], "a thousand parts": [b"x"] * 1000}


class Scorer:
    """A scorer that runs, and what is asked of it after each message."""

    def __init__(self, running: RunningScorer) -> None:
        self.running = running
        self._frame_ids = count()
        self.start_s = time.monotonic()

    def broken(self) -> int:
        return self.running.status(lambda message: True).wire_errors

    def until_broken(self, wanted: int) -> None:
        found = self.running.status(lambda message: message.wire_errors >= wanted).wire_errors
        assert found == wanted

    def require_work(self) -> None:
        """A frame is judged, and the process is the same."""
        sent = frame(next(self._frame_ids), line="cans", pixels=np.zeros((240, 240, 3), np.uint8))
        (verdict,) = self.running.judge([sent])
        assert (verdict.frame_id, verdict.reason) == (sent.header.frame_id, "no_reference")
        assert self.running.process.poll() is None, self.running.log()


@pytest.fixture(scope="module")
def scorer() -> Iterator[Scorer]:
    with tempfile.TemporaryDirectory(prefix="fl-", dir="/tmp") as home:
        with RunningScorer(write_config(Path(home))) as running:
            scorer = Scorer(running)
            scorer.require_work()
            yield scorer


@pytest.mark.parametrize("name", FRAMES)
def test_a_broken_frame_is_counted_and_survived(scorer: Scorer, name: str) -> None:
    before = scorer.broken()
    scorer.running.send(*FRAMES[name])
    scorer.until_broken(before + 1)
    scorer.require_work()


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_broken_question_is_counted_answered_and_survived(scorer: Scorer, name: str) -> None:
    before = scorer.broken()
    with scorer.running.asking() as socket:
        socket.send_multipart(QUESTIONS[name])
        reply = decode(socket.recv())
    assert isinstance(reply, ReplyMessage)
    assert not reply.ok
    assert len(reply.text) < 1000
    scorer.until_broken(before + 1)
    scorer.require_work()


@pytest.mark.parametrize("channel", ["frames", "control"])
@pytest.mark.parametrize("kind", [zmq.DEALER, zmq.ROUTER, zmq.REQ, zmq.PUSH, zmq.SUB, zmq.PAIR])
def test_a_socket_of_another_kind_is_survived(scorer: Scorer, channel: str, kind: int) -> None:
    with zmq.Context() as context, context.socket(kind) as peer:
        peer.linger = 0
        peer.connect(endpoint_of(scorer.running.config, channel))
        if kind == zmq.SUB:
            peer.subscribe(b"everything")
        elif peer.poll(200, zmq.POLLOUT):
            with suppress(zmq.Again):  # the other side may have hung up meanwhile
                peer.send_multipart([b"x", b"", b"junk"], zmq.NOBLOCK)
        scorer.require_work()
    assert scorer.running.ask("status").ok


def test_a_message_beyond_the_limit_is_survived(scorer: Scorer) -> None:
    with zmq.Context() as context, context.socket(zmq.REQ) as peer:
        peer.linger = 0
        peer.connect(endpoint_of(scorer.running.config, "control"))
        peer.send(bytes(CHANNELS["control"].max_message_bytes + 1))
        scorer.require_work()
    assert scorer.running.ask("status").ok


def test_the_log_stays_short(scorer: Scorer) -> None:
    """The last of this module: it looks back on all that came."""
    lines = scorer.running.log().splitlines()
    told = [line for line in lines if " dropped: " in line]
    assert 1 <= len(told) <= 1 + (time.monotonic() - scorer.start_s) / LIMIT_S
    assert all(len(line) < 1000 for line in lines)
    assert not any("all is well" in line and " dropped: " not in line for line in lines)
