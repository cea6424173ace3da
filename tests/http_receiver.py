"""A real HTTP server that receives webhooks."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HANG = 0


@dataclass(frozen=True)
class Request:
    """One POST: headers with lower-case names, and the body."""

    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> dict[str, Any]:
        """The JSON object in the body."""
        document: dict[str, Any] = json.loads(self.body)
        return document


@dataclass
class HttpReceiver:
    """What was received, and what is answered.

    Attributes:
        answers: status codes of the next answers; `HANG` answers nothing until the receiver
            ends or `let_go` is called. Beyond the list: 204.
        headers: sent with every answer.
    """

    url: str = ""
    requests: list[Request] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    headers: Mapping[str, str] = field(default_factory=dict)
    _go: threading.Event = field(default_factory=threading.Event)

    def let_go(self) -> None:
        """End all hanging answers, now and from now on."""
        self._go.set()

    def take(self, request: Request) -> int:
        """Note a request; the status to answer."""
        self.requests.append(request)
        status = self.answers.pop(0) if self.answers else 204
        if status == HANG:
            self._go.wait(30)
            return 204
        return status


@contextmanager
def http_receiver() -> Iterator[HttpReceiver]:
    """A receiver on a free port of 127.0.0.1."""
    receiver = HttpReceiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status = receiver.take(Request(headers, body))
            try:
                self.send_response(status)
                for name, value in receiver.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", "0")
                self.end_headers()
            except OSError:
                self.close_connection = True  # the sender did not wait

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = False
    receiver.url = f"http://127.0.0.1:{server.server_port}/hook"
    thread = threading.Thread(target=server.serve_forever, args=[0.05], name="receiver")
    thread.start()
    try:
        yield receiver
    finally:
        receiver.let_go()
        server.shutdown()
        thread.join()
        server.server_close()
