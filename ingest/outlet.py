"""The sending end of the `frames` channel."""

from __future__ import annotations

import fcntl
import sys
import termios

import zmq
from zmq.utils.monitor import recv_monitor_message

from contract.codec import Frame, encode_frame
from contract.messages import FrameMessage, StreamKey
from contract.sockets import Socket
from ingest.picture import Shot

_EVENTS = zmq.EVENT_CONNECTED | zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED


def monitored(socket: Socket) -> Socket:
    """Where libzmq tells the connections of `socket`; ask before it connects."""
    return socket.get_monitor_socket(_EVENTS)


class Outlet:
    """Sends shots without ever blocking, and knows whether a scorer is connected.

    The socket must have been `monitored` before it connected. Close the outlet before the socket.
    """

    def __init__(self, socket: Socket, stream: StreamKey) -> None:
        self._socket = socket
        self._stream = stream._asdict()
        self._monitor = monitored(socket)
        self._has_scorer = False
        self._connection_fd: int | None = None

    def has_scorer(self) -> bool:
        """Whether a scorer is connected."""
        self._watch()
        return self._has_scorer

    def unread_bytes(self) -> int:
        """What the kernel holds that the scorer has not read.

        A scorer that was too busy to read loses what the kernel still holds when an ipc
        connection is closed (libzmq takes the hang-up for an error), however long the linger.
        """
        self._watch()
        if self._connection_fd is None:
            return 0
        try:
            unread = fcntl.ioctl(self._connection_fd, termios.TIOCOUTQ, bytes(4))
        except OSError:
            return 0  # the connection is gone
        return int.from_bytes(unread, sys.byteorder)

    def has_room(self, timeout_s: float) -> bool:
        """Wait until a frame can leave; false after `timeout_s`."""
        return bool(self._socket.poll(round(timeout_s * 1000), zmq.POLLOUT))

    def send(self, frame_id: int, shot: Shot) -> bool:
        """Send `shot` as frame `frame_id`; false if no scorer takes it now."""
        height_px, width_px, _ = shot.pixels.shape
        header = FrameMessage(
            **self._stream,
            frame_id=frame_id,
            captured_ns=shot.captured_ns,
            decoded_ns=shot.decoded_ns,
            deadline_ns=shot.deadline_ns,
            source_pts_ns=shot.source_pts_ns,
            height_px=height_px,
            width_px=width_px,
            nbytes=shot.pixels.nbytes,
            taint=shot.taint,
        )
        try:
            self._socket.send_multipart(encode_frame(Frame(header, shot.pixels)), zmq.NOBLOCK)
        except zmq.Again:
            return False
        return True

    def close(self) -> None:
        """Stop watching; the socket stays open."""
        self._socket.disable_monitor()
        self._monitor.close(linger=0)

    def _watch(self) -> None:
        """Take note of the scorer's coming and going."""
        while self._monitor.poll(0):
            message = recv_monitor_message(self._monitor)
            if message["event"] == zmq.EVENT_CONNECTED:
                self._connection_fd = int(message["value"])
            else:
                self._has_scorer = message["event"] == zmq.EVENT_HANDSHAKE_SUCCEEDED
            if message["event"] == zmq.EVENT_DISCONNECTED:
                self._connection_fd = None
