"""Asking the scorer: an answer, or an error that says what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest

from contract.codec import decode, encode
from contract.config import Config
from contract.control import ask, listening
from contract.curve import create_keys
from contract.errors import FlawlineError, WireError
from contract.messages import AckMessage, ReplyMessage, RequestMessage
from contract.sockets import Sockets
from tests.contract.stations import station
from tests.plc import free_port

STATUS = RequestMessage(command="status")


@contextmanager
def _scorer(config: Config, answer: Callable[[bytes], bytes]) -> Iterator[None]:
    """Something at the other end that answers one question."""
    with Sockets(config) as sockets:
        socket = sockets.bind("control")
        thread = Thread(target=lambda: socket.send(answer(socket.recv())))
        thread.start()
        try:
            yield
        finally:
            thread.join(10)
            assert not thread.is_alive()


def test_an_answer(short_directory: Path) -> None:
    config = station(short_directory)
    seen: list[object] = []

    def answer(question: bytes) -> bytes:
        seen.append(decode(question))
        return encode(ReplyMessage(ok=True, text="fine", memories={"belt": "v1"}))

    with _scorer(config, answer):
        reply = ask(config, STATUS)
    assert seen == [STATUS]
    assert (reply.text, reply.memories) == ("fine", {"belt": "v1"})


def test_a_refusal(short_directory: Path) -> None:
    config = station(short_directory)
    with _scorer(config, lambda _: encode(ReplyMessage(ok=False, text="no line cans"))):
        with pytest.raises(FlawlineError, match="no line cans"):
            ask(config, STATUS)


def test_no_scorer(short_directory: Path) -> None:
    with pytest.raises(FlawlineError, match=r"no scorer answers at ipc://.*flawline run"):
        ask(station(short_directory), STATUS, timeout_s=0.2)


def test_a_wrong_kind_of_answer(short_directory: Path) -> None:
    config = station(short_directory)
    with _scorer(config, lambda _: encode(AckMessage(delivery_ids=()))):
        with pytest.raises(FlawlineError, match="answered with a ack message"):
            ask(config, STATUS)


def test_noise_for_an_answer(short_directory: Path) -> None:
    config = station(short_directory)
    with _scorer(config, lambda _: b"HTTP/1.1 400 Bad Request"):
        with pytest.raises(WireError):
            ask(config, STATUS)


def test_a_scorer_that_is_busy_is_told_from_one_that_is_not_there(short_directory: Path) -> None:
    config = station(short_directory)
    assert listening(config) is False
    with Sockets(config) as sockets:
        sockets.bind("control")
        assert listening(config) is True
        with pytest.raises(FlawlineError, match=r"runs, but does not answer within 0\.2 s"):
            ask(config, STATUS, timeout_s=0.2)
    assert listening(config) is False


def test_whether_a_scorer_listens_on_another_host(short_directory: Path) -> None:
    create_keys(short_directory / "keys")

    def at(place: str) -> Config:
        return station(
            short_directory, control=f"tcp://{place}", curve_directory=short_directory / "keys"
        )

    port = free_port()
    assert listening(at(f"127.0.0.1:{port}")) is False
    with Sockets(at(f"127.0.0.1:{port}")) as sockets:
        sockets.bind("control")
        assert listening(at(f"127.0.0.1:{port}")) is True
    assert listening(at("no-such-host.invalid:5556")) is None
