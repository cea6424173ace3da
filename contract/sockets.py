"""Sockets made from the channel table: bounded, timed out, closed without lingering."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import zmq
from zmq.auth.thread import ThreadAuthenticator

from contract.channels import CHANNELS, Channel, WhenFull
from contract.clock import SystemClock
from contract.config import Config
from contract.curve import load_accepted, load_pair, load_public
from contract.descriptors import share
from contract.doorkeeper import Doorkeeper
from contract.errors import AddressInUse, ConfigError
from contract.lock import hold
from contract.reasons import RefusalReason

IO_TIMEOUT_MS = 2000
HEARTBEAT_MS = 1000
KEEP_ALIVE_S = 5
ROOM_PER_CAMERA = 2  # one that starts again may come before its old connection is known to be gone
ROOM_FOR_OTHERS = 8
MAX_IPC_PATH_BYTES = 107

Socket = zmq.Socket[bytes]


class Sockets:
    """All sockets of one process. Use as a context manager."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._context: zmq.Context[Socket] = zmq.Context()
        self._authenticator: ThreadAuthenticator | None = None
        self._doorkeepers: list[Doorkeeper] = []
        self._open: list[Socket] = []
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for doorkeeper in self._doorkeepers:
            doorkeeper.stop()
        for socket in self._open:
            socket.close()
        if self._authenticator is not None:
            self._authenticator.stop()
        self._context.term()
        self._stack.close()

    @property
    def refused(self) -> Counter[RefusalReason]:
        """Connections that were cut off or came to nothing, per reason."""
        return sum((each.refused for each in self._doorkeepers), Counter[RefusalReason]())

    def bind(self, name: str) -> Socket:
        """The receiving end of channel `name`.

        Raises:
            AddressInUse: something else is bound there.
            ConfigError: the path is too long, the folder not private, or keys are missing.
        """
        channel = CHANNELS[name]
        socket = self._create(channel, channel.bind_type)
        endpoint = endpoint_of(self._config, name)
        tcp = not endpoint.startswith("ipc://")
        if not tcp:
            # libzmq would silently take an ipc path over from its owner.
            self._stack.enter_context(hold(Path(endpoint.removeprefix("ipc://"))))
        else:
            self._secure_server(socket, channel)
            self._doorkeepers.append(self._doorkeeper(name, socket))
            if self._config.network.bind_host is not None:
                port = endpoint.rsplit(":", 1)[1]
                endpoint = f"tcp://{self._config.network.bind_host}:{port}"
        try:
            socket.bind(endpoint)
        except zmq.ZMQError as error:
            if error.errno == zmq.EADDRINUSE:
                raise AddressInUse(
                    f"channel {name} cannot bind {endpoint}, something listens there",
                    f"stop it or set network.{name} to a free address",
                ) from None
            raise ConfigError(f"channel {name} cannot bind {endpoint}", str(error)) from None
        if tcp:
            self._doorkeepers[-1].start()
        return socket

    def connect(
        self,
        name: str,
        *,
        role: str | None = None,
        prepare: Callable[[Socket], object] = lambda socket: None,
    ) -> Socket:
        """The connecting end of channel `name`; libzmq reconnects it by itself.

        Args:
            role: as whom, where the channel table lets several connect.
            prepare: is given the socket before it connects, e.g. to attach a monitor.

        Raises:
            ConfigError: the path is too long, the address is no address, or keys are missing.
        """
        channel = CHANNELS[name]
        socket = self._create(channel, channel.connect_type)
        endpoint = endpoint_of(self._config, name)
        if endpoint.startswith("tcp://"):
            if role is None and len(channel.connects) > 1:
                raise ValueError(f"{' and '.join(channel.connects)} open {name}: say as whom")
            self._secure_client(socket, channel, role or channel.connects[0])
        if channel.connect_type in (zmq.PUSH, zmq.DEALER):
            socket.immediate = True
        if channel.connect_type == zmq.REQ:
            socket.req_relaxed = True
            socket.req_correlate = True
        prepare(socket)
        try:
            socket.connect(endpoint)
        except zmq.ZMQError as error:
            raise ConfigError(f"channel {name} cannot connect to {endpoint}", str(error)) from None
        return socket

    def close(self, socket: Socket, *, linger_ms: int) -> None:
        """Close `socket` at an orderly end, giving queued messages `linger_ms` to leave."""
        self._open.remove(socket)
        socket.close(linger=linger_ms)

    def _doorkeeper(self, name: str, socket: Socket) -> Doorkeeper:
        """For an unbound socket: of the configured cameras each has room, whatever the limit."""
        room = max(share(), ROOM_PER_CAMERA * len(self._config.cameras()) + ROOM_FOR_OTHERS)
        return Doorkeeper(name, socket, SystemClock(), room=room)

    def _create(self, channel: Channel, kind: int) -> Socket:
        socket = self._context.socket(kind)
        self._open.append(socket)
        socket.linger = 0
        socket.set_hwm(channel.high_water_mark)
        socket.maxmsgsize = channel.max_message_bytes
        socket.sndtimeo = IO_TIMEOUT_MS
        socket.rcvtimeo = IO_TIMEOUT_MS
        if channel.when_full is WhenFull.NEWEST_WINS:
            # A busy receiver stops reading, so it would not answer heartbeats, and the frames on
            # their way to it would be lost. The kernel's keep-alive needs no answer from it.
            socket.tcp_keepalive = 1
            socket.tcp_keepalive_idle = socket.tcp_keepalive_intvl = KEEP_ALIVE_S
        else:
            socket.heartbeat_ivl = HEARTBEAT_MS
            socket.heartbeat_timeout = 3 * HEARTBEAT_MS
        socket.reconnect_ivl = 50
        socket.reconnect_ivl_max = 1000
        return socket

    def _keys(self) -> Path:
        directory = self._config.network.curve_directory
        if directory is None:
            raise ConfigError("tcp endpoints need keys", "set network.curve_directory")
        return directory

    def _secure_client(self, socket: Socket, channel: Channel, role: str) -> None:
        own = load_pair(self._keys(), role)
        socket.curve_serverkey = load_public(self._keys(), channel.binds)
        socket.curve_publickey, socket.curve_secretkey = own

    def _secure_server(self, socket: Socket, channel: Channel) -> None:
        own = load_pair(self._keys(), channel.binds)
        accepted = _Accepted(load_accepted(self._keys(), channel.connects))
        if self._authenticator is None:
            self._authenticator = ThreadAuthenticator(self._context)
            self._authenticator.start()
        self._authenticator.configure_curve_callback(channel.name, credentials_provider=accepted)
        socket.zap_domain = channel.name.encode()
        socket.curve_server = True
        socket.curve_publickey, socket.curve_secretkey = own


class _Accepted:
    """The keys that open one channel, as the authenticator asks for them."""

    def __init__(self, keys: frozenset[bytes]) -> None:
        self._keys = keys

    def callback(self, domain: str, key: bytes) -> bool:
        return key in self._keys


def endpoint_of(config: Config, name: str) -> str:
    """Where channel `name` is, as others connect to it.

    Raises:
        ConfigError: an ipc path longer than the operating system allows.
    """
    endpoint: str | None = getattr(config.network, name)
    endpoint = endpoint or f"ipc://{config.run_directory.absolute() / name}"
    path = endpoint.removeprefix("ipc://")
    if path != endpoint and len(path.encode()) > MAX_IPC_PATH_BYTES:
        raise ConfigError(
            f"socket path {path} has {len(path.encode())} bytes, the limit is {MAX_IPC_PATH_BYTES}",
            "set network.directory to a shorter one",
        )
    return endpoint
