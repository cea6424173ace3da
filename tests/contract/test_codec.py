"""Whatever arrives, decoding gives a message or a WireError, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from contract.codec import (
    MAX_HEADER_BYTES,
    Evidence,
    Frame,
    decode,
    decode_evidence,
    decode_frame,
    decode_verdict,
    encode,
    encode_evidence,
    encode_frame,
)
from contract.errors import WireError
from contract.messages import EvidenceMessage, Message, VerdictMessage
from tests.contract import strategies
from tests.contract.examples import EXAMPLES, frame_message, verdict_message

Parts = Sequence[bytes | memoryview]
DECODERS: list[Callable[[Parts], Any]] = [
    lambda parts: decode(parts[0]),
    decode_frame,
    decode_verdict,
]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=5,
)


@given(strategies.messages)
def test_every_message_survives_the_wire(message: Message) -> None:
    assert decode(encode(message)) == message


@given(strategies.messages)
def test_a_newer_writer_may_add_fields(message: Message) -> None:
    newer = json.loads(encode(message)) | {"a_field_of_2030": {"nested": [1]}}
    assert decode(json.dumps(newer).encode()) == message


@given(strategies.frames(max_px=6), st.data())
def test_frames_survive_the_wire(header: Any, data: st.DataObject) -> None:
    shape = (header.height_px, header.width_px, 3)
    pixels = data.draw(npst.arrays(np.uint8, shape))
    frame = decode_frame([bytes(part) for part in encode_frame(Frame(header, pixels))])
    assert frame.header == header
    np.testing.assert_array_equal(frame.pixels, pixels)
    assert not frame.pixels.flags.writeable


def test_a_cropped_view_survives_the_wire() -> None:
    """Ingest crops without copying: the rows are then not contiguous."""
    picture = np.arange(4 * 8 * 3, dtype=np.uint8).reshape(4, 8, 3)
    crop = picture[1:3, 2:5]
    frame = decode_frame(encode_frame(Frame(frame_message(), crop)))
    np.testing.assert_array_equal(frame.pixels, crop)


@given(strategies.verdicts())
def test_verdicts_survive_the_wire(header: VerdictMessage) -> None:
    assert decode_verdict([encode(header)]) == header


@given(
    strategies.verdicts(), st.data(), st.integers(1, 5), st.integers(1, 5), st.binary(max_size=20)
)
def test_evidence_survives_the_wire(
    verdict: VerdictMessage, data: st.DataObject, rows: int, columns: int, jpeg: bytes
) -> None:
    shape = (rows, columns)
    header = EvidenceMessage(verdict=verdict.record(), map_shape=shape, jpeg_nbytes=len(jpeg))
    anomaly_map = data.draw(npst.arrays(np.float32, shape, elements=st.floats(0, 1, width=32)))
    evidence = decode_evidence(encode_evidence(Evidence(header, anomaly_map, jpeg)))
    assert evidence.header == header
    assert evidence.anomaly_map.dtype == np.float32
    np.testing.assert_array_equal(evidence.anomaly_map, anomaly_map)
    assert evidence.jpeg == jpeg


@given(st.lists(st.binary(max_size=60), min_size=1, max_size=4))
def test_noise_gives_wire_errors_only(parts: list[bytes]) -> None:
    for decoder in DECODERS:
        with pytest.raises(WireError):
            decoder(parts)


@settings(max_examples=150)
@given(
    st.sampled_from(sorted(EXAMPLES)),
    st.lists(
        st.tuples(st.integers(0, 1000), st.integers(0, 255), st.sampled_from("swdi")),
        min_size=1,
        max_size=5,
    ),
    st.lists(st.binary(max_size=40), max_size=3),
)
def test_flipped_cut_and_stuffed_bytes(
    name: str, changes: list[tuple[int, int, str]], attachments: list[bytes]
) -> None:
    header = bytearray(encode(EXAMPLES[name]))
    for place, value, kind in changes:
        at = place % max(1, len(header))
        if kind == "s":
            header = header[:at]
        elif kind == "w" and header:
            header[at] = value
        elif kind == "d":
            del header[at : at + 1]
        else:
            header.insert(at, value)
    for decoder in DECODERS:
        _message_or_wire_error(decoder, [bytes(header), *attachments])


@settings(max_examples=150)
@given(st.sampled_from(sorted(EXAMPLES)), st.data(), json_values, st.lists(st.binary(), max_size=2))
def test_any_value_in_any_field(
    name: str, data: st.DataObject, value: Any, attachments: list[bytes]
) -> None:
    header = json.loads(encode(EXAMPLES[name]))
    header[data.draw(st.sampled_from(sorted(header)))] = value
    parts = [json.dumps(header).encode(), *attachments]
    for decoder in DECODERS:
        _message_or_wire_error(decoder, parts)


def _message_or_wire_error(decoder: Callable[[Parts], Any], parts: Parts) -> None:
    """No exception but a WireError, and what is accepted can be written again."""
    try:
        decoded = decoder(parts)
    except WireError:
        return
    message = decoded if isinstance(decoded, Message) else decoded.header
    assert decode(encode(message)) == message


@pytest.mark.parametrize(
    ("header", "complaint"),
    [
        (b"", "the header"),
        (b"\xff\xfe", "the header"),
        (b"null", "the header"),
        (b"[" * 100_000, "the header"),
        (b'{"type":"sausage"}', "the header"),
        (b'{"wire_version":1}', "the header"),
        (b'{"type":"ack","delivery_ids":[' + b"9" * 5000 + b"]}", "the header"),
        (b'{"type":"ack","delivery_ids":[-1]}', "delivery_ids.0"),
        (b'{"type":"ack","wire_version":3,"delivery_ids":[]}', "wire_version"),
        (b'{"type":"ack","wire_version":0,"delivery_ids":[]}', "wire_version"),
        (b'{"type":"ack","wire_version":[],"delivery_ids":[]}', "wire_version"),
        (b'{"type":"request","command":"status","interval_s":NaN}', "interval_s"),
        (b'{"type":"request","command":"rm -rf"}', "command"),
        (b" " * (MAX_HEADER_BYTES + 1), "header of 1048577 bytes"),
    ],
    ids=lambda value: repr(value[:40]),
)
def test_malformed_header_says_where(header: bytes, complaint: str) -> None:
    with pytest.raises(WireError, match=complaint):
        decode(header)


def test_a_refusal_does_not_repeat_what_was_sent() -> None:
    """A header may hold anything, such as a password typed into a name."""
    header = json.loads(encode(EXAMPLES["frame"])) | {"camera": "rtsp://admin:hunter2@cam"}
    with pytest.raises(WireError) as refused:
        decode(json.dumps(header).encode())
    assert "hunter2" not in str(refused.value)


FRAME = encode(frame_message())
VERDICT = encode(verdict_message())
EVIDENCE = encode(EXAMPLES["evidence"])


@pytest.mark.parametrize(
    ("parts", "complaint"),
    [
        ([], "0 parts"),
        ([FRAME], "1 parts"),
        ([FRAME, bytes(18), b""], "3 parts"),
        ([FRAME, bytes(17)], "17 bytes.*says 18"),
        ([FRAME, bytes(19)], "19 bytes.*says 18"),
        ([VERDICT, bytes(18)], "verdict where a frame belongs"),
    ],
    ids=lambda value: str(value)[:24],
)
def test_malformed_frame(parts: list[bytes], complaint: str) -> None:
    with pytest.raises(WireError, match=complaint):
        decode_frame(parts)


@pytest.mark.parametrize(
    ("parts", "complaint"),
    [
        ([], "0 parts"),
        ([VERDICT, b""], "2 parts"),
        ([FRAME], "frame where a verdict belongs"),
    ],
    ids=lambda value: str(value)[:24],
)
def test_malformed_verdict(parts: list[bytes], complaint: str) -> None:
    with pytest.raises(WireError, match=complaint):
        decode_verdict(parts)


@pytest.mark.parametrize(
    ("parts", "complaint"),
    [
        ([EVIDENCE], "1 parts"),
        ([EVIDENCE, bytes(23), bytes(4)], "23 bytes.*says 24"),
        ([EVIDENCE, bytes(24), bytes(5)], "jpeg of 5 bytes"),
        ([VERDICT, bytes(24), bytes(4)], "verdict where evidence belongs"),
    ],
    ids=lambda value: str(value)[:24],
)
def test_malformed_evidence(parts: list[bytes], complaint: str) -> None:
    with pytest.raises(WireError, match=complaint):
        decode_evidence(parts)
