"""The asking end of the control channel."""

from __future__ import annotations

import socket as network

import zmq

from contract.codec import decode, encode
from contract.config import Config
from contract.errors import FlawlineError
from contract.messages import ReplyMessage, RequestMessage
from contract.sockets import Sockets, endpoint_of

CONNECT_TIMEOUT_S = 2.0


def ask(config: Config, request: RequestMessage, *, timeout_s: float = 5.0) -> ReplyMessage:
    """The scorer's answer to `request`.

    Raises:
        FlawlineError: no scorer answers within `timeout_s`, or it refuses.
    """
    endpoint = endpoint_of(config, "control")
    with Sockets(config) as sockets:
        socket = sockets.connect("control")
        socket.rcvtimeo = int(timeout_s * 1000)
        try:
            socket.send(encode(request))
            reply = decode(socket.recv())
        except zmq.Again:
            if listening(config):
                raise FlawlineError(
                    f"the scorer at {endpoint} runs, but does not answer within {timeout_s:g} s",
                    "it is busy or stuck; it may still do what was asked",
                ) from None
            raise FlawlineError(
                f"no scorer answers at {endpoint}", "start it with `flawline run`"
            ) from None
    if not isinstance(reply, ReplyMessage):
        raise FlawlineError(f"the scorer answered with a {reply.type} message")
    if not reply.ok:
        raise FlawlineError(reply.text)
    return reply


def listening(config: Config, channel: str = "control") -> bool | None:
    """Whether a process has `channel` open, busy or not; None: that cannot be told.

    The operating system answers for the process that listens: a connection is accepted by one that
    is busy, or was stopped in its tracks, and refused where there is none. A host that does not
    answer, or a name that is not known here, says nothing.
    """
    scheme, _, place = endpoint_of(config, channel).partition("://")
    try:
        with _connected(scheme, place):
            return True
    except (FileNotFoundError, ConnectionRefusedError):
        return False
    except BlockingIOError:
        return True  # its queue of connections is full
    except OSError:
        return None


def _connected(scheme: str, place: str) -> network.socket:
    """A bare connection to `place`, which says nothing."""
    if scheme == "tcp":
        host, port = place.rsplit(":", 1)
        return network.create_connection((host, int(port)), CONNECT_TIMEOUT_S)
    client = network.socket(network.AF_UNIX, network.SOCK_STREAM)
    try:
        client.settimeout(CONNECT_TIMEOUT_S)
        client.connect(place)
    except OSError:
        client.close()
        raise
    return client
