"""Real sockets: messages pass between those who may talk, and nobody else."""

from __future__ import annotations

import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq
from pydantic import ValidationError

from contract.channels import CHANNELS
from contract.curve import GUESTS, create_keys, load_pair, load_public
from contract.errors import AddressInUse, ConfigError, StorageError
from contract.reasons import RefusalReason
from contract.sockets import IO_TIMEOUT_MS, MAX_IPC_PATH_BYTES, Sockets, endpoint_of
from tests.contract.stations import station

# What a stranger sends has this long to get through; a friend needs a few milliseconds.
STRANGER_MS = 300


@pytest.fixture
def tcp_port() -> Iterator[int]:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    yield port


@pytest.mark.parametrize("name", ["frames", "status"])
def test_one_way_channels_carry_messages(short_directory: Path, name: str) -> None:
    with Sockets(station(short_directory)) as sockets:
        receiver = sockets.bind(name)
        sender = sockets.connect(name)
        sender.send_multipart([b"header", b"pixels"])
        assert receiver.recv_multipart() == [b"header", b"pixels"]


def test_verdicts_are_acknowledged(short_directory: Path) -> None:
    with Sockets(station(short_directory)) as sockets:
        sinks = sockets.bind("verdicts")
        scorer = sockets.connect("verdicts")
        scorer.send_multipart([b"verdict"])
        identity, verdict = sinks.recv_multipart()
        sinks.send_multipart([identity, b"ack"])
        assert verdict == b"verdict"
        assert scorer.recv_multipart() == [b"ack"]


def test_a_question_survives_a_lost_answer(short_directory: Path) -> None:
    """A REQ socket whose answer never came must be able to ask again."""
    with Sockets(station(short_directory)) as sockets:
        scorer = sockets.bind("control")
        asking = sockets.connect("control")
        asking.send(b"one")
        assert scorer.recv() == b"one"
        asking.send(b"two")
        scorer.send(b"answer to one")
        assert scorer.recv() == b"two"
        scorer.send(b"answer to two")
        assert asking.recv() == b"answer to two"


def test_who_connects_first_waits_for_who_binds(short_directory: Path) -> None:
    with Sockets(station(short_directory)) as sockets:
        sender = sockets.connect("status")
        with pytest.raises(zmq.Again):
            sender.send(b"nobody is there", zmq.NOBLOCK)
        receiver = sockets.bind("status")
        assert sender.poll(5000, zmq.POLLOUT)
        sender.send(b"hello")
        assert receiver.recv() == b"hello"


@pytest.mark.parametrize("name", sorted(CHANNELS))
def test_sockets_are_bounded(short_directory: Path, name: str) -> None:
    with Sockets(station(short_directory)) as sockets:
        for made in (sockets.bind(name), sockets.connect(name)):
            assert made.sndhwm == made.rcvhwm == CHANNELS[name].high_water_mark
            assert made.maxmsgsize == CHANNELS[name].max_message_bytes
            assert made.linger == 0
            assert made.rcvtimeo == made.sndtimeo == IO_TIMEOUT_MS > 0


def test_a_message_beyond_the_limit_does_not_arrive(short_directory: Path) -> None:
    with Sockets(station(short_directory)) as sockets:
        receiver = sockets.bind("status")
        sender = sockets.connect("status")
        sender.send(bytes(CHANNELS["status"].max_message_bytes + 1))
        assert not receiver.poll(STRANGER_MS)
        assert sender.poll(5000, zmq.POLLOUT)
        sender.send(b"still here")
        assert receiver.recv() == b"still here"


def test_occupied_ipc_path(short_directory: Path) -> None:
    config = station(short_directory)
    with Sockets(config) as ours, Sockets(config) as theirs:
        receiver = ours.bind("frames")
        with pytest.raises(AddressInUse, match=r"run/frames is in use.*network\.directory"):
            theirs.bind("frames")
        sender = theirs.connect("frames")
        sender.send(b"to the first")
        assert receiver.recv() == b"to the first"


def test_an_ipc_path_is_free_again_after_its_owner(short_directory: Path) -> None:
    config = station(short_directory)
    for _ in range(2):
        with Sockets(config) as sockets:
            sockets.bind("frames")


def test_an_ipc_path_left_by_a_killed_process_is_taken_over(short_directory: Path) -> None:
    config = station(short_directory)
    path = short_directory / "run" / "frames"
    path.parent.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    with Sockets(config) as sockets:
        receiver = sockets.bind("frames")
        sockets.connect("frames").send(b"x")
        assert receiver.recv() == b"x"


def test_the_ipc_folder_is_made_private(short_directory: Path) -> None:
    with Sockets(station(short_directory)) as sockets:
        sockets.bind("frames")
    assert stat.S_IMODE((short_directory / "run").stat().st_mode) == 0o700


def test_an_ipc_folder_open_to_others_is_refused(short_directory: Path) -> None:
    (short_directory / "run").mkdir()
    (short_directory / "run").chmod(0o755)
    with Sockets(station(short_directory)) as sockets:
        with pytest.raises(ConfigError, match="open to other users: chmod 700"):
            sockets.bind("frames")


def test_an_ipc_folder_that_cannot_be_made(short_directory: Path) -> None:
    (short_directory / "run").write_text("a file")
    with Sockets(station(short_directory)) as sockets:
        with pytest.raises(StorageError, match=r"cannot use .*run for sockets"):
            sockets.bind("frames")


def test_an_ipc_path_that_is_too_long(short_directory: Path) -> None:
    config = station(short_directory, directory=short_directory / ("d" * 100))
    with Sockets(config) as sockets:
        for make in (sockets.bind, sockets.connect):
            with pytest.raises(ConfigError, match=r"limit is 107.*network\.directory"):
                make("frames")


def test_the_longest_ipc_path_works(short_directory: Path) -> None:
    room = MAX_IPC_PATH_BYTES - len(str(short_directory)) - len("//frames")
    config = station(short_directory, directory=short_directory / ("d" * room))
    assert len(endpoint_of(config, "frames").removeprefix("ipc://")) == MAX_IPC_PATH_BYTES
    with Sockets(config) as sockets:
        receiver = sockets.bind("frames")
        sockets.connect("frames").send(b"x")
        assert receiver.recv() == b"x"


def test_encrypted_tcp(short_directory: Path, tcp_port: int) -> None:
    create_keys(short_directory / "keys")
    config = station(
        short_directory,
        frames=f"tcp://127.0.0.1:{tcp_port}",
        curve_directory=short_directory / "keys",
    )
    with Sockets(config) as sockets:
        receiver = sockets.bind("frames")
        assert receiver.curve_server
        sockets.connect("frames").send_multipart([b"header", b"pixels"])
        assert receiver.recv_multipart() == [b"header", b"pixels"]


def test_tcp_may_bind_elsewhere_than_others_connect(short_directory: Path, tcp_port: int) -> None:
    create_keys(short_directory / "keys")
    config = station(
        short_directory,
        frames=f"tcp://localhost:{tcp_port}",
        bind_host="127.0.0.1",
        curve_directory=short_directory / "keys",
    )
    with Sockets(config) as sockets:
        receiver = sockets.bind("frames")
        assert receiver.last_endpoint == f"tcp://127.0.0.1:{tcp_port}".encode()
        sockets.connect("frames").send(b"x")
        assert receiver.recv() == b"x"


def test_occupied_tcp_port(short_directory: Path) -> None:
    create_keys(short_directory / "keys")
    with socket.socket() as owner:
        owner.bind(("127.0.0.1", 0))
        owner.listen()
        config = station(
            short_directory,
            frames=f"tcp://127.0.0.1:{owner.getsockname()[1]}",
            curve_directory=short_directory / "keys",
        )
        with Sockets(config) as sockets:
            with pytest.raises(AddressInUse, match=r"something listens there.*network\.frames"):
                sockets.bind("frames")


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-interface"])
def test_an_address_that_is_not_ours(short_directory: Path, tcp_port: int, host: str) -> None:
    create_keys(short_directory / "keys")
    config = station(
        short_directory,
        frames=f"tcp://{host}:{tcp_port}",
        curve_directory=short_directory / "keys",
    )
    with Sockets(config) as sockets:
        with pytest.raises(ConfigError, match=f"cannot bind tcp://{host}"):
            sockets.bind("frames")


def test_an_address_that_cannot_be_connected(short_directory: Path, tcp_port: int) -> None:
    """`*` is for binding; the configuration says so before a socket is made."""
    with pytest.raises(ValidationError, match=r"tcp://HOST:PORT .*as others connect to it"):
        station(
            short_directory, frames=f"tcp://*:{tcp_port}", curve_directory=short_directory / "keys"
        )


def test_tcp_without_keys(short_directory: Path, tcp_port: int) -> None:
    config = station(
        short_directory,
        frames=f"tcp://127.0.0.1:{tcp_port}",
        curve_directory=short_directory / "keys",
    )
    with Sockets(config) as sockets:
        for make in (sockets.bind, sockets.connect):
            with pytest.raises(ConfigError, match="cannot load the CURVE key"):
                make("frames")


def test_who_binds_needs_the_server_secret(short_directory: Path, tcp_port: int) -> None:
    create_keys(short_directory / "keys")
    (short_directory / "keys" / "scorer.key_secret").unlink()
    config = station(
        short_directory,
        frames=f"tcp://127.0.0.1:{tcp_port}",
        curve_directory=short_directory / "keys",
    )
    with Sockets(config) as sockets:
        with pytest.raises(ConfigError, match=r"no scorer\.key_secret.*hosts that act as scorer"):
            sockets.bind("frames")


def test_strangers_get_nothing_through(short_directory: Path, tcp_port: int) -> None:
    """Neither a client with other keys, nor one without, nor one that knows the server's key."""
    create_keys(short_directory / "keys")
    endpoint = f"tcp://127.0.0.1:{tcp_port}"
    config = station(short_directory, frames=endpoint, curve_directory=short_directory / "keys")
    server_public = load_public(short_directory / "keys", "scorer")
    own = load_pair(short_directory / "keys", "ingest")
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    with Sockets(config) as sockets, context:
        receiver = sockets.bind("frames")
        friend = sockets.connect("frames")
        plain = context.socket(zmq.PUSH)
        knows_server_key = context.socket(zmq.PUSH)
        public, secret = zmq.curve_keypair()
        knows_server_key.curve_publickey, knows_server_key.curve_secretkey = public, secret
        knows_server_key.curve_serverkey = server_public
        other_server = context.socket(zmq.PUSH)
        other_server.curve_publickey, other_server.curve_secretkey = own
        other_server.curve_serverkey = zmq.curve_keypair()[0]
        for stranger in (plain, knows_server_key, other_server):
            stranger.linger = 0
            stranger.connect(endpoint)
            stranger.send(b"from a stranger", zmq.NOBLOCK)
        assert not receiver.poll(STRANGER_MS)
        friend.send(b"from a friend")
        assert receiver.recv() == b"from a friend"
        for stranger in (plain, knows_server_key, other_server):
            stranger.close()


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_channel_opens_to_the_keys_of_its_roles_alone(
    short_directory: Path, tcp_port: int, channel: str
) -> None:
    """A camera's host can send no commands, and nobody but the scorer verdicts."""
    keys = short_directory / "keys"
    create_keys(keys)
    endpoint = f"tcp://127.0.0.1:{tcp_port}"
    config = station(short_directory, **{channel: endpoint}, curve_directory=keys)
    row = CHANNELS[channel]
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    opened = []
    with Sockets(config) as sockets, context:
        receiver = sockets.bind(channel)
        for role in GUESTS:
            refused = sockets.refused[RefusalReason.HANDSHAKE]
            with context.socket(row.connect_type) as guest:
                guest.linger = 0
                guest.immediate = True
                guest.curve_serverkey = load_public(keys, row.binds)
                guest.curve_publickey, guest.curve_secretkey = load_pair(keys, role)
                guest.connect(endpoint)
                deadline_s = time.monotonic() + 30
                while not guest.poll(50, zmq.POLLOUT):
                    if sockets.refused[RefusalReason.HANDSHAKE] > refused:
                        break
                    assert time.monotonic() < deadline_s, "neither let in nor refused"
                else:
                    guest.send(role.encode())
                    assert role.encode() in receiver.recv_multipart()
                    opened.append(role)
                    if row.connect_type == zmq.REQ:
                        receiver.send(b"reply")
        assert not receiver.poll(0)
    assert sorted(opened) == sorted(row.connects)


def test_nobody_can_pose_as_another_process(short_directory: Path, tcp_port: int) -> None:
    """Verdicts go to who holds the key of the sinks, not to who took their address."""
    keys = short_directory / "keys"
    create_keys(keys)
    endpoint = f"tcp://127.0.0.1:{tcp_port}"
    config = station(short_directory, verdicts=endpoint, curve_directory=keys)
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    with Sockets(config) as sockets, context, context.socket(zmq.ROUTER) as impostor:
        impostor.linger = 0
        impostor.curve_server = True
        impostor.curve_publickey, impostor.curve_secretkey = load_pair(keys, "ingest")
        impostor.bind(endpoint)
        monitor = impostor.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        sender = sockets.connect("verdicts")
        assert monitor.poll(30_000), "the sender came, and went"
        assert not sender.poll(0, zmq.POLLOUT)
        assert not impostor.poll(0)
        impostor.disable_monitor()
        monitor.close()


def test_an_orderly_close_lets_messages_leave(short_directory: Path) -> None:
    config = station(short_directory)
    with Sockets(config) as receiving:
        receiver = receiving.bind("status")
        with Sockets(config) as sending:
            sender = sending.connect("status")
            assert sender.poll(5000, zmq.POLLOUT)
            sender.send(b"the last word")
            sending.close(sender, linger_ms=2000)
        assert receiver.recv() == b"the last word"
