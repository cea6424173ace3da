"""Each row of the channel table agrees with itself, with ZeroMQ and with the configuration."""

from __future__ import annotations

import pytest
import zmq

from contract.channels import CHANNELS, Channel, WhenFull
from contract.codec import MAX_HEADER_BYTES, MAX_JPEG_BYTES
from contract.config import Network
from contract.messages import FrameMessage
from contract.process import HEARTBEAT_S

PAIRS: dict[int, int] = {zmq.PUSH: zmq.PULL, zmq.DEALER: zmq.ROUTER, zmq.REQ: zmq.REP}
PROCESSES = {"ingest", "scorer", "sinks", "flawline"}
rows = pytest.mark.parametrize("channel", list(CHANNELS.values()), ids=lambda channel: channel.name)


@rows
def test_socket_types_pair_up(channel: Channel) -> None:
    assert PAIRS[channel.connect_type] == channel.bind_type


@rows
def test_both_ends_are_processes(channel: Channel) -> None:
    assert channel.binds in PROCESSES
    assert set(channel.connects) <= PROCESSES - {channel.binds}


@rows
def test_queues_and_messages_are_bounded(channel: Channel) -> None:
    assert 1 <= channel.high_water_mark <= 10_000
    assert channel.max_message_bytes >= MAX_HEADER_BYTES


@rows
def test_silence_means_more_than_one_missed_message(channel: Channel) -> None:
    assert channel.silent_after_s is None or channel.silent_after_s > 3 * HEARTBEAT_S


@rows
def test_the_configuration_knows_the_channel(channel: Channel) -> None:
    assert channel.name in Network.model_fields


def test_who_sends_heartbeats_must_not_be_silent() -> None:
    assert CHANNELS["status"].silent_after_s is not None


def test_verdicts_are_held_and_frames_are_not() -> None:
    assert CHANNELS["verdicts"].when_full is WhenFull.HOLD_AND_RETRY
    assert CHANNELS["frames"].when_full is WhenFull.NEWEST_WINS


def test_a_4096_px_crop_fits_the_frames_channel() -> None:
    """The largest `inspection_px`; FrameMessage itself would allow more."""
    assert CHANNELS["frames"].max_message_bytes >= 4096 * 4096 * 3
    assert "height_px" in FrameMessage.model_fields


def test_the_largest_messages_fit_their_channels() -> None:
    assert max(MAX_JPEG_BYTES, 4096 * 4096 * 4) <= CHANNELS["evidence"].max_message_bytes
    assert CHANNELS["verdicts"].max_message_bytes >= MAX_HEADER_BYTES


def test_the_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        CHANNELS["frames"] = CHANNELS["status"]  # type: ignore[index]
