"""A real `python -m scorer`, with the test in the places of ingest, sinks and the command line."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml
import zmq

from contract.codec import (
    Evidence,
    Frame,
    decode,
    decode_evidence,
    decode_verdict,
    encode,
    encode_frame,
)
from contract.config import Config
from contract.config_file import load_config
from contract.control import ask
from contract.messages import (
    AckMessage,
    ProcessMessage,
    ReplyMessage,
    RequestMessage,
    VerdictMessage,
)
from contract.sockets import Sockets

DEADLINE_S = 120.0


def write_config(home: Path, *, dtype: str = "auto", mask: str | None = None) -> Path:
    """A station with the lines `bottles` and `cans`; no deadlines, this machine may be busy."""
    document = {
        "station": "hall-1",
        "data_directory": "data",
        "lines": [
            {
                "name": name,
                "deadline_s": None,
                "mask": mask,
                "cameras": [{"name": f"{name}-top", "source": "rtsp://10.0.0.7/live"}],
            }
            for name in ("bottles", "cans")
        ],
        "scorer": {"model": {"num_threads": 1, "dtype": dtype}, "max_pending_frames": 4},
    }
    path = home / "belt.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


class RunningScorer:
    """The process and its surroundings. Use as a context manager."""

    def __init__(self, config_path: Path) -> None:
        self.config_path = config_path
        self.config: Config = load_config(config_path)
        self._sockets = Sockets(self.config)
        self._verdicts = self._sockets.bind("verdicts")
        self._status = self._sockets.bind("status")
        self._evidence = self._sockets.bind("evidence")
        self._frames = self._sockets.connect("frames")
        self._identity = b""
        self._log = (config_path.parent / "scorer.log").open("wb")
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        reading, writing = os.pipe()
        try:
            process = subprocess.Popen(
                [sys.executable, "-m", "scorer", str(self.config_path), "--ready-fd", str(writing)],
                pass_fds=[writing],
                stderr=self._log,
            )
            os.close(writing)
            readable, _, _ = select.select([reading], [], [], DEADLINE_S)
            ready = readable and os.read(reading, 100) == b"ready\n"
            if not ready:
                process.kill()
                process.wait()
            assert ready, self.log()
        finally:
            os.close(reading)
        return process

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.process.kill()
        self.process.wait()
        self._log.close()
        self._sockets.__exit__(kind, error, trace)

    def log(self) -> str:
        """What the process wrote to standard error."""
        return (self.config_path.parent / "scorer.log").read_text(encoding="utf-8")

    def send(self, *parts: bytes | memoryview) -> None:
        """Send a message as ingest would, or a malformed one."""
        assert self._frames.poll(int(DEADLINE_S * 1000), zmq.POLLOUT), self.log()
        self._frames.send_multipart(list(parts), zmq.NOBLOCK)

    def receive(self, timeout_s: float = DEADLINE_S) -> VerdictMessage:
        """The next verdict, unacknowledged."""
        assert self._verdicts.poll(int(timeout_s * 1000)), self.log()
        self._identity, *parts = self._verdicts.recv_multipart()
        return decode_verdict(parts)

    def picture(self) -> Evidence:
        """The next picture of a verdict."""
        assert self._evidence.poll(int(DEADLINE_S * 1000)), self.log()
        return decode_evidence(self._evidence.recv_multipart())

    def acknowledge(self, *delivery_ids: int) -> None:
        """As the sinks, once they hold these verdicts."""
        ack = encode(AckMessage(delivery_ids=delivery_ids))
        self._verdicts.send_multipart([self._identity, ack])

    def judge(
        self, frames: Sequence[Frame], *, between: Callable[[int], None] = lambda judged: None
    ) -> list[VerdictMessage]:
        """Send frames while verdicts come back and are acknowledged; until there are as many.

        Args:
            between: called with the number of verdicts so far after each.
        """
        waiting = list(frames)
        verdicts: list[VerdictMessage] = []
        for _ in until_deadline("a verdict for each frame"):
            if len(verdicts) == len(frames):
                break
            if waiting and self._frames.poll(0, zmq.POLLOUT):
                self.send(*encode_frame(waiting.pop(0)))
            if self._verdicts.poll(10):
                verdicts.append(self.receive())
                self.acknowledge(verdicts[-1].delivery_id)
                between(len(verdicts))
        return verdicts

    def status(self, wanted: Callable[[ProcessMessage], bool]) -> ProcessMessage:
        """The first heartbeat from now on that is as `wanted`."""
        for _ in until_deadline("the heartbeat that was waited for"):
            if self._status.poll(1000):
                message = decode(self._status.recv())
                assert isinstance(message, ProcessMessage)
                if wanted(message):
                    return message
        raise AssertionError

    def ask(self, command: str, **values: Any) -> ReplyMessage:
        """As the command line."""
        request = RequestMessage.model_validate({"command": command, **values})
        return ask(self.config, request, timeout_s=DEADLINE_S)

    @contextmanager
    def asking(self) -> Iterator[zmq.Socket[bytes]]:
        """A bare control socket, for questions that no command line would ask."""
        with Sockets(self.config) as sockets:
            socket = sockets.connect("control")
            socket.rcvtimeo = int(DEADLINE_S * 1000)
            yield socket


def until_deadline(what: str) -> Iterator[int]:
    """Count up until the deadline, then fail for want of `what`."""
    end_s = time.monotonic() + DEADLINE_S
    turn = 0
    while time.monotonic() < end_s:
        yield turn
        turn += 1
    raise AssertionError(f"not within {DEADLINE_S} s: {what}")
