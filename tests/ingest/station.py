"""The other end of ingest: a real process, a real scorer socket and a real sinks socket."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml
import zmq

from contract.codec import Frame, decode, decode_frame
from contract.config import Config
from contract.config_file import parse_config
from contract.messages import CameraMessage, CameraState, DropMessage, EndOfStreamMessage
from contract.sockets import Socket, Sockets

DEADLINE_S = 30.0
INSPECTION_PX = 128


def configuration(
    directory: Path, camera: Mapping[str, Any], line: Mapping[str, Any] | None = None
) -> str:
    """YAML of a station with one line and one camera, `left`."""
    document = {
        "station": "bench",
        "data_directory": str(directory / "data"),
        "network": {"directory": str(directory / "run")},
        "lines": [
            {
                "name": "belt",
                "inspection_px": INSPECTION_PX,
                **(line or {}),
                "cameras": [{"name": "left", **camera}],
            }
        ],
    }
    return yaml.safe_dump(document)


def config_of(directory: Path, camera: Mapping[str, Any], line: Any = None) -> Config:
    """The same, parsed."""
    return parse_config(configuration(directory, camera, line), name="test", base=directory)


class Station:
    """Runs ingest for one camera and takes what it sends.

    Args:
        camera: keys of the camera besides its name.
        scorer: whether a scorer is connected from the start.
        seconds_per_frame: how slow the scorer is.
    """

    def __init__(
        self,
        camera: Mapping[str, Any],
        *,
        line: Mapping[str, Any] | None = None,
        scorer: bool = True,
        sinks: bool = True,
        seconds_per_frame: float = 0.0,
        name: str = "left",
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.frames: list[Frame] = []
        self.drops: list[DropMessage] = []
        self.cameras: list[CameraMessage] = []
        self.ends: list[EndOfStreamMessage] = []
        self.arrivals_s: list[float] = []
        self._seconds_per_frame = seconds_per_frame
        self._next_frame_s = 0.0
        # Short, because a socket path may have 107 bytes at most.
        self.directory = Path(tempfile.mkdtemp(prefix="fl-"))
        text = configuration(self.directory, camera, line)
        self._config_file = self.directory / "station.yaml"
        self._config_file.write_text(text)
        self._config = parse_config(text, name="test", base=self.directory)
        self._arguments = ["--camera", name, "--log-level", "debug"]
        self._environ = {**os.environ, **(environ or {})}
        self._sockets = Sockets(self._config)
        self._frames_socket = self._sockets.bind("frames") if scorer else None
        self._status_socket = self._sockets.bind("status") if sinks else None
        self._output = self.directory / "output.txt"

    def __enter__(self) -> Self:
        with self._output.open("wb") as output:
            ready_fd, child_fd = os.pipe()
            os.set_blocking(ready_fd, False)
            self._ready = os.fdopen(ready_fd, "rb", buffering=0)
            arguments = [str(self._config_file), *self._arguments, f"--ready-fd={child_fd}"]
            self.process = subprocess.Popen(
                [sys.executable, "-m", "ingest", *arguments],
                env=self._environ,
                pass_fds=[child_fd],
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            os.close(child_fd)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ready.close()
        self.process.kill()
        self.process.wait(DEADLINE_S)
        self._sockets.__exit__(None, None, None)
        if error is not None:
            print(self.output)
        shutil.rmtree(self.directory)

    @property
    def output(self) -> str:
        """All that ingest printed so far."""
        return self._output.read_text()

    @property
    def frame_ids(self) -> list[int]:
        """The frames that came, by id, in the order of their arrival."""
        return [frame.header.frame_id for frame in self.frames]

    @property
    def dropped_ids(self) -> list[int]:
        """The frames that ingest says it dropped."""
        return [i for d in self.drops for i in range(d.first_frame_id, d.last_frame_id + 1)]

    @property
    def state(self) -> CameraState | None:
        """The camera's newest state."""
        return self.cameras[-1].state if self.cameras else None

    def says_ready(self) -> bool:
        """Whether ingest told its supervisor, since the last call, that it does its work."""
        return self._ready.read() == b"ready\n"

    def start_scorer(self) -> None:
        """Connect the scorer that was not there from the start."""
        self._frames_socket = self._sockets.bind("frames")

    def start_sinks(self) -> None:
        """Connect the sinks that were not there from the start."""
        self._status_socket = self._sockets.bind("status")

    def pause_scorer(self, seconds: float) -> None:
        """Let the scorer take nothing for so long; status messages are taken meanwhile."""
        self._next_frame_s = time.monotonic() + seconds

    def stop(self) -> None:
        """Ask ingest to stop."""
        self.process.send_signal(signal.SIGTERM)

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Take messages until `condition`; fail after a deadline, saying what did not happen."""
        deadline_s = time.monotonic() + DEADLINE_S
        while not condition():
            ended = self.process.poll() is not None
            if not self._take_messages() and ended:
                raise AssertionError(f"{what}: ingest ended\n{self.output}")
            if time.monotonic() > deadline_s:
                raise AssertionError(f"{what}: not within {DEADLINE_S} s\n{self.output}")

    def until_exit(self) -> int:
        """Take messages until ingest has ended and nothing is left; the exit code."""
        self.until(lambda: self.process.poll() is not None, "ingest ends")
        self._seconds_per_frame = self._next_frame_s = 0.0
        while self._take_messages():
            pass
        return self.process.returncode

    def _take_messages(self) -> bool:
        """Wait briefly for messages and take them; false if none came."""
        poller = zmq.Poller()
        now_s = time.monotonic()
        takes_frames = now_s >= self._next_frame_s
        if self._status_socket is not None:
            poller.register(self._status_socket, zmq.POLLIN)
        if self._frames_socket is not None and takes_frames:
            poller.register(self._frames_socket, zmq.POLLIN)
        pause_s = 0.05 if takes_frames else min(0.05, self._next_frame_s - now_s)
        ready = dict(poller.poll(max(1, round(pause_s * 1000))))
        if self._frames_socket is not None and self._frames_socket in ready:
            self._take_frame(self._frames_socket)
        if self._status_socket is not None and self._status_socket in ready:
            self._take_status(self._status_socket)
        return bool(ready)

    def _take_frame(self, socket: Socket) -> None:
        self.frames.append(decode_frame(socket.recv_multipart()))
        self.arrivals_s.append(time.monotonic())
        self._next_frame_s = time.monotonic() + self._seconds_per_frame

    def _take_status(self, socket: Socket) -> None:
        message = decode(socket.recv())
        assert not self.ends, f"{message.type} after the end of the stream"
        if isinstance(message, DropMessage):
            self.drops.append(message)
        elif isinstance(message, CameraMessage):
            self.cameras.append(message)
        else:
            assert isinstance(message, EndOfStreamMessage)
            self.ends.append(message)
