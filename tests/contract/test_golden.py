"""Bytes written by every wire version must decode for ever.

`python -m tests.contract.test_golden` writes the files of a new message; it never overwrites one.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from contract.codec import (
    Frame,
    Verdict,
    decode,
    decode_frame,
    decode_verdict,
    encode,
    encode_frame,
    encode_verdict,
)
from contract.messages import AnyMessage, Message, VerdictMessage
from tests.contract.examples import EXAMPLES, frame_message

GOLDEN = Path(__file__).parent / "golden" / "v1"
PIXELS = np.arange(18, dtype=np.uint8).reshape(2, 3, 3)
ANOMALY_MAP = np.array([[0.0, 0.25, 0.5], [0.75, 1.0, 1e-6]], dtype=np.float32)
JPEG = b"\xff\xd8\xff\xd9"


def _parts() -> dict[str, list[bytes]]:
    """Multi-part messages, as they cross the wire."""
    verdict = EXAMPLES["verdict"]
    assert isinstance(verdict, VerdictMessage)
    return {
        "frame": [bytes(part) for part in encode_frame(Frame(frame_message(), PIXELS))],
        "verdict": encode_verdict(Verdict(verdict, ANOMALY_MAP, JPEG)),
    }


def write_missing() -> None:
    """Write the golden files that are not there yet."""
    GOLDEN.mkdir(parents=True, exist_ok=True)
    files = {f"{name}.json": encode(message) for name, message in EXAMPLES.items()}
    for name, parts in _parts().items():
        files |= {f"{name}.part{number}.bin": part for number, part in enumerate(parts)}
    for name, content in files.items():
        path = GOLDEN / name
        if not path.exists():
            path.write_bytes(content)


@pytest.mark.parametrize("name", EXAMPLES)
def test_golden_header_decodes_and_is_still_what_we_write(name: str) -> None:
    golden = (GOLDEN / f"{name}.json").read_bytes()
    assert decode(golden) == EXAMPLES[name]
    assert encode(EXAMPLES[name]) == golden


@pytest.mark.parametrize("name", ["frame", "verdict"])
def test_golden_parts_are_still_what_we_write(name: str) -> None:
    written = _parts()[name]
    golden = [path.read_bytes() for path in sorted(GOLDEN.glob(f"{name}.part*.bin"))]
    assert written == golden


def test_golden_frame_decodes() -> None:
    parts = [path.read_bytes() for path in sorted(GOLDEN.glob("frame.part*.bin"))]
    frame = decode_frame(parts)
    assert frame.header == frame_message()
    np.testing.assert_array_equal(frame.pixels, PIXELS)


def test_golden_verdict_decodes() -> None:
    parts = [path.read_bytes() for path in sorted(GOLDEN.glob("verdict.part*.bin"))]
    verdict = decode_verdict(parts)
    assert verdict.header == EXAMPLES["verdict"]
    assert verdict.anomaly_map is not None
    np.testing.assert_array_equal(verdict.anomaly_map, ANOMALY_MAP)
    assert verdict.jpeg == JPEG


def test_every_message_type_has_golden_bytes() -> None:
    members: tuple[type[Message], ...] = AnyMessage.__origin__.__args__  # type: ignore[attr-defined]
    assert {type(message) for message in EXAMPLES.values()} == set(members)


def test_every_field_is_set_in_some_example() -> None:
    """A field that no example sets would have no golden bytes."""
    for kind in {type(message) for message in EXAMPLES.values()}:
        examples = [message for message in EXAMPLES.values() if type(message) is kind]
        written = set().union(*(message.model_dump(exclude_none=True) for message in examples))
        assert written == set(kind.model_fields)


if __name__ == "__main__":
    write_missing()
