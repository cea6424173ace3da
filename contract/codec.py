"""Messages to ZeroMQ parts and back. Nothing is pickled; everything is checked before use."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter, ValidationError

from contract.errors import WireError
from contract.messages import (
    AnyMessage,
    EvidenceMessage,
    FrameMessage,
    Message,
    VerdictMessage,
)
from contract.upgrades import upgraded

MAX_HEADER_BYTES = 1 << 20
MAX_JPEG_BYTES = 32 << 20
MAX_COUNT = 1 << 53
"""No camera counts further; a book of more would be nobody's."""
MAX_SHOWN_CHARACTERS = 300

Kind = TypeVar("Kind", bound=Message)

_ANY: TypeAdapter[AnyMessage] = TypeAdapter(AnyMessage)


class Frame(NamedTuple):
    """A frame and its pixels (H, W, 3), uint8, RGB."""

    header: FrameMessage
    pixels: npt.NDArray[np.uint8]


class Evidence(NamedTuple):
    """What a verdict can be understood by: anomaly map (R, C) float32, JPEG of the crop."""

    header: EvidenceMessage
    anomaly_map: npt.NDArray[np.float32]
    jpeg: bytes


def encode(message: Message) -> bytes:
    """Header bytes: UTF-8 JSON."""
    return message.model_dump_json(exclude_none=True).encode()


def decode(header: bytes | memoryview) -> AnyMessage:
    """The message in `header`.

    Raises:
        WireError: not JSON, an unknown type or version, or a field out of bounds.
    """
    if len(header) > MAX_HEADER_BYTES:
        raise WireError(f"header of {len(header)} bytes", f"at most {MAX_HEADER_BYTES}")
    try:
        fields = json.loads(str(header, "utf-8"))
    except (ValueError, RecursionError) as error:
        raise WireError("message refused at the header", _shown(str(error))) from None
    try:
        return _ANY.validate_python(upgraded(fields) if isinstance(fields, dict) else fields)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise WireError(
            f"message refused at {_shown(where) or 'the header'}", _shown(first["msg"])
        ) from None


def _shown(text: str) -> str:
    """What a message made somebody say, as part of one line of a log."""
    short = text if len(text) <= MAX_SHOWN_CHARACTERS else f"{text[:MAX_SHOWN_CHARACTERS]} ..."
    return short if short.isprintable() else ascii(short)[1:-1]


def _header(
    parts: Sequence[bytes | memoryview], kind: type[Kind], name: str, wanted: list[str]
) -> Kind:
    if len(parts) != len(wanted):
        raise WireError(f"{name} of {len(parts)} parts", f"expected [{', '.join(wanted)}]")
    header = decode(parts[0])
    if not isinstance(header, kind):
        raise WireError(f"{header.type} where {name} belongs")
    return header


def encode_frame(frame: Frame) -> list[bytes | memoryview]:
    """`[header, pixels]`; the pixels are not copied when they are contiguous."""
    return [encode(frame.header), np.ascontiguousarray(frame.pixels).data.cast("B")]


def decode_frame(parts: Sequence[bytes | memoryview]) -> Frame:
    """A frame whose pixels are a read-only view of the second part.

    Raises:
        WireError: wrong number of parts, wrong type, or pixels that do not fit the header.
    """
    header = _header(parts, FrameMessage, "a frame", ["header", "pixels"])
    if len(parts[1]) != header.nbytes:
        raise WireError(f"pixels of {len(parts[1])} bytes", f"the header says {header.nbytes}")
    if header.frame_id > MAX_COUNT:
        # The sinks would refuse its verdict, and the scorer hold it for ever.
        raise WireError(f"frame_id of {header.frame_id}", f"at most {MAX_COUNT}")
    pixels = np.frombuffer(parts[1], dtype=np.uint8)
    return Frame(header, pixels.reshape(header.height_px, header.width_px, header.channels))


def decode_verdict(parts: Sequence[bytes | memoryview]) -> VerdictMessage:
    """A verdict. Version 1 sent anomaly map and JPEG along with it: they are left behind.

    Raises:
        WireError: wrong number of parts, or wrong type.
    """
    return _header(parts[:1] if len(parts) == 3 else parts, VerdictMessage, "a verdict", ["header"])


def encode_evidence(evidence: Evidence) -> list[bytes]:
    """`[header, anomaly map, jpeg]`."""
    anomaly_map = np.ascontiguousarray(evidence.anomaly_map, dtype="<f4")
    return [encode(evidence.header), anomaly_map.tobytes(), evidence.jpeg]


def decode_evidence(parts: Sequence[bytes | memoryview]) -> Evidence:
    """The evidence of a verdict.

    Raises:
        WireError: wrong number of parts, wrong type, or parts that do not fit the header.
    """
    header = _header(parts, EvidenceMessage, "evidence", ["header", "map", "jpeg"])
    expected = header.map_shape[0] * header.map_shape[1] * 4
    if len(parts[1]) != expected:
        raise WireError(f"anomaly map of {len(parts[1])} bytes", f"the header says {expected}")
    if len(parts[2]) != header.jpeg_nbytes or header.jpeg_nbytes > MAX_JPEG_BYTES:
        raise WireError(f"jpeg of {len(parts[2])} bytes", f"the header says {header.jpeg_nbytes}")
    anomaly_map = np.frombuffer(parts[1], dtype="<f4").reshape(header.map_shape)
    return Evidence(header, anomaly_map.astype(np.float32, copy=False), bytes(parts[2]))
