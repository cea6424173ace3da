"""Pictures go with what a person may want to look at."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from contract.codec import decode_evidence
from contract.messages import Outcome
from contract.sockets import Sockets
from scorer.serving.evidence import (
    MAX_WAITING,
    MAX_WAITING_BYTES,
    EvidenceSender,
    Snapshot,
    encode_jpeg,
    wants_picture,
)
from tests.contract.examples import verdict_message
from tests.contract.stations import station
from tests.scorer.pictures import part


@pytest.mark.parametrize("outcome", [Outcome.FAIL, Outcome.REVIEW])
def test_doubtful_parts_always_carry_one(outcome: Outcome) -> None:
    assert all(wants_picture(outcome, each, pass_sample_fraction=0.0) for each in range(100))


@pytest.mark.parametrize("outcome", [Outcome.INVALID, Outcome.LATE, Outcome.UNSCORED])
def test_unjudged_frames_carry_none(outcome: Outcome) -> None:
    assert not any(wants_picture(outcome, each, pass_sample_fraction=1.0) for each in range(100))


@given(st.floats(0, 1), st.integers(0, 10_000))
def test_an_even_share_of_good_parts(share: float, first: int) -> None:
    ids = range(first, first + 200)
    taken = sum(wants_picture(Outcome.PASS, each, pass_sample_fraction=share) for each in ids)
    assert abs(taken - 200 * share) <= 1


def test_jpeg() -> None:
    pixels = part(1, 64)
    with Image.open(BytesIO(encode_jpeg(pixels))) as image:
        assert image.format == "JPEG"
        assert np.abs(np.asarray(image).astype(int) - pixels).mean() < 4


def test_pictures_wait_for_the_sinks_within_bounds_and_no_verdict_waits_for_them(
    short_directory: Path,
) -> None:
    config = station(short_directory)
    snapshot = Snapshot(part(1, 64), np.zeros((4, 4), dtype=np.float32))
    header = verdict_message(outcome="FAIL", anomaly_score=0.75, picture=True)
    with (
        Sockets(config) as there,
        Sockets(config) as here,
        EvidenceSender(here) as sender,
    ):
        for frame_id in range(MAX_WAITING + 20):
            sender.put(header.model_copy(update={"frame_id": frame_id}), snapshot)
        lost = sender.dropped
        assert 15 <= lost <= 20, "what is being sent and what waits is kept"
        pictures = there.bind("evidence")
        came: list[int] = []
        while len(came) < MAX_WAITING + 20 - lost:
            assert pictures.poll(15_000)
            came.append(decode_evidence(pictures.recv_multipart()).header.verdict.frame_id)
        assert came == sorted(came)
        assert sender.dropped == lost


def test_a_picture_that_cannot_be_made_is_counted_and_the_next_one_is_sent(
    short_directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = station(short_directory)
    header = verdict_message(outcome="FAIL", anomaly_score=0.75, picture=True)
    broken = Snapshot(part(1, 64), np.zeros((0, 4), dtype=np.float32))
    good = Snapshot(part(1, 64), np.zeros((4, 4), dtype=np.float32))
    with Sockets(config) as there, Sockets(config) as here:
        pictures = there.bind("evidence")
        with EvidenceSender(here) as sender:
            sender.put(header.model_copy(update={"frame_id": 1}), broken)
            sender.put(header.model_copy(update={"frame_id": 2}), good)
            assert pictures.poll(15_000)
            assert decode_evidence(pictures.recv_multipart()).header.verdict.frame_id == 2
            assert sender.dropped == 1
    assert "no picture of frame 1" in caplog.text


def test_without_sinks_the_end_of_the_process_is_not_held_up(short_directory: Path) -> None:
    snapshot = Snapshot(part(1, 64), np.zeros((4, 4), dtype=np.float32))
    with Sockets(station(short_directory)) as here:
        with EvidenceSender(here) as sender:
            for frame_id in range(5):
                header = verdict_message(picture=True).model_copy(update={"frame_id": frame_id})
                sender.put(header, snapshot)
        assert sender.dropped == 5


def test_one_huge_picture_does_not_fill_the_memory(short_directory: Path) -> None:
    huge = np.zeros((6000, 6000, 3), dtype=np.uint8)
    snapshot = Snapshot(huge, np.zeros((4, 4), dtype=np.float32))
    assert huge.nbytes > MAX_WAITING_BYTES
    with Sockets(station(short_directory)) as here:
        with EvidenceSender(here) as sender:
            sender.put(verdict_message(picture=True), snapshot)
            assert sender.dropped == 1
