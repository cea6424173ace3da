"""Test cameras: real servers on loopback, as context managers with deadlines."""

from __future__ import annotations

import base64
import io
import queue
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from PIL import Image

SYSTEM_PYTHON = "/usr/bin/python3"
SERVER = Path(__file__).with_name("rtsp_server.py")
DEADLINE_S = 20.0
PACKAGES = (
    "gir1.2-gst-rtsp-server-1.0 python3-gi python3-gst-1.0 gstreamer1.0-plugins-base "
    "gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly "
    "gstreamer1.0-libav"
)


class RtspCamera:
    """A GStreamer RTSP server at `url` in a process of its own; see `tests/rtsp_server.py`.

    Args:
        port: 0 takes a free one, which `start` keeps after a `kill`.
        user, password: basic authentication, if given.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        user: str | None = None,
        password: str | None = None,
        width_px: int = 320,
        height_px: int = 240,
        fps: int = 25,
        codec: str = "h264",
    ) -> None:
        self.port = port
        self._options = [f"--width={width_px}", f"--height={height_px}", f"--fps={fps}"]
        self._options.append(f"--codec={codec}")
        if user is not None:
            self._options += [f"--user={user}", f"--password={password}"]
        self._process: subprocess.Popen[str] | None = None
        self._answers: queue.Queue[str] = queue.Queue()
        self._pump = threading.Thread()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()

    @property
    def url(self) -> str:
        """Where the stream is, without credentials."""
        return f"rtsp://127.0.0.1:{self.port}/cam"

    def start(self) -> None:
        """Start serving, and return when the port listens."""
        process = subprocess.Popen(
            [SYSTEM_PYTHON, str(SERVER), f"--port={self.port}", *self._options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._process, self._answers = process, queue.Queue()
        self._pump = threading.Thread(target=_pump, args=(process, self._answers), daemon=True)
        self._pump.start()
        self.port = int(self._answer("ready").split()[1])

    def command(self, line: str) -> None:
        """Carry out `line`, e.g. `freeze` or `size 160 120`, on the streams that play."""
        process = self._running()
        assert process.stdin is not None
        process.stdin.write(line + "\n")
        process.stdin.flush()
        self._answer("done")

    def suspend(self) -> None:
        """Stop the server in its tracks, connections open: a half-open camera."""
        self._running().send_signal(signal.SIGSTOP)

    def kill(self) -> None:
        """End the server as a power cut would."""
        if (process := self._process) is None:
            return
        self._process = None
        process.kill()
        process.wait(DEADLINE_S)
        self._pump.join(DEADLINE_S)
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()

    def _running(self) -> subprocess.Popen[str]:
        assert self._process is not None, "the camera is not running"
        return self._process

    def _answer(self, expected: str) -> str:
        try:
            answer = self._answers.get(timeout=DEADLINE_S)
        except queue.Empty:
            raise AssertionError(f"the RTSP test camera did not say {expected!r}") from None
        if not answer.startswith(expected):
            raise AssertionError(
                f"the RTSP test camera ended instead of saying {expected!r}. It needs "
                f"{SYSTEM_PYTHON} and these Debian packages: {PACKAGES}\n{answer}"
            )
        return answer


def _pump(process: subprocess.Popen[str], answers: queue.Queue[str]) -> None:
    """Hand on what the server says, and at its end what it complained about."""
    assert process.stdout is not None
    assert process.stderr is not None
    for line in process.stdout:
        answers.put(line.strip())
    answers.put("ended: " + process.stderr.read())


@contextmanager
def mjpeg_camera(*, username: str, password: str, fps: float, pictures: int) -> Iterator[str]:
    """The URL of an HTTP camera that sends `pictures` JPEGs per connection, then hangs up."""
    expected = "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()
    ended = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.headers.get("Authorization") != expected:
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="camera"')
                self.end_headers()
                return
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=part")
            self.end_headers()
            try:
                for index in range(pictures):
                    self.wfile.write(_mjpeg_part(index))
                    if ended.wait(1 / fps):
                        return
            except OSError:
                return  # the client hung up first

        def log_message(self, *args: object) -> None:
            """Be quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/stream"
    finally:
        ended.set()
        server.shutdown()
        server.server_close()
        thread.join(DEADLINE_S)


def _mjpeg_part(index: int) -> bytes:
    jpeg = io.BytesIO()
    Image.fromarray(np.full((120, 160, 3), index * 5 % 256, np.uint8)).save(jpeg, "JPEG")
    head = f"--part\r\nContent-Type: image/jpeg\r\nContent-Length: {jpeg.tell()}\r\n\r\n"
    return head.encode() + jpeg.getvalue() + b"\r\n"
