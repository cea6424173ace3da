"""The asking end of the control channel."""

from __future__ import annotations

import zmq

from contract.codec import decode, encode
from contract.config import Config
from contract.errors import FlawlineError
from contract.messages import ReplyMessage, RequestMessage
from contract.sockets import Sockets, endpoint_of


def ask(config: Config, request: RequestMessage, *, timeout_s: float = 5.0) -> ReplyMessage:
    """The scorer's answer to `request`.

    Raises:
        FlawlineError: no scorer answers within `timeout_s`, or it refuses.
    """
    with Sockets(config) as sockets:
        socket = sockets.connect("control")
        socket.rcvtimeo = int(timeout_s * 1000)
        try:
            socket.send(encode(request))
            reply = decode(socket.recv())
        except zmq.Again:
            raise FlawlineError(
                f"no scorer answers at {endpoint_of(config, 'control')}",
                "start it with `flawline run CONFIG`",
            ) from None
    if not isinstance(reply, ReplyMessage):
        raise FlawlineError(f"the scorer answered with a {reply.type} message")
    if not reply.ok:
        raise FlawlineError(reply.text)
    return reply
