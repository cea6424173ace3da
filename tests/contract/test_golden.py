"""Bytes written by every wire version must decode for ever.

`python -m tests.contract.test_golden` writes the files of a new message; it never overwrites one.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TypeGuard, get_args

import numpy as np
import pytest

from contract.codec import (
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
from contract.messages import (
    WIRE_VERSION,
    AnyMessage,
    EvidenceMessage,
    Message,
    Tolerant,
    VerdictRecord,
)
from tests.contract.examples import EXAMPLES, frame_message

VERSIONS = range(1, WIRE_VERSION + 1)
PIXELS = np.arange(18, dtype=np.uint8).reshape(2, 3, 3)
ANOMALY_MAP = np.array([[0.0, 0.25, 0.5], [0.75, 1.0, 1e-6]], dtype=np.float32)
# What version 1 could not say yet.
OLD = {
    "verdict": EXAMPLES["verdict"].model_copy(update={"picture": False}),
    "process": EXAMPLES["process"].model_copy(update={"pictures_dropped": 0}),
}
JPEG = b"\xff\xd8\xff\xd9"


def golden(version: int = WIRE_VERSION) -> Path:
    """Where the bytes that wire version `version` wrote stand."""
    return Path(__file__).parent / "golden" / f"v{version}"


def _parts() -> dict[str, list[bytes]]:
    """Multi-part messages, as they cross the wire."""
    header = EXAMPLES["evidence"]
    assert isinstance(header, EvidenceMessage)
    return {
        "frame": [bytes(part) for part in encode_frame(Frame(frame_message(), PIXELS))],
        "evidence": encode_evidence(Evidence(header, ANOMALY_MAP, JPEG)),
    }


def write_missing() -> None:
    """Write the golden files that are not there yet."""
    golden().mkdir(parents=True, exist_ok=True)
    files = {f"{name}.json": encode(message) for name, message in EXAMPLES.items()}
    for name, parts in _parts().items():
        files |= {f"{name}.part{number}.bin": part for number, part in enumerate(parts)}
    for name, content in files.items():
        path = golden() / name
        if not path.exists():
            path.write_bytes(content)


@pytest.mark.parametrize(
    ("version", "name"),
    [
        (version, name)
        for version in VERSIONS
        for name in EXAMPLES
        if version == WIRE_VERSION or (golden(version) / f"{name}.json").exists()
    ],
)
def test_golden_headers_of_every_version_decode(version: int, name: str) -> None:
    expected = OLD.get(name, EXAMPLES[name]) if version == 1 else EXAMPLES[name]
    assert decode((golden(version) / f"{name}.json").read_bytes()) == expected


@pytest.mark.parametrize("name", EXAMPLES)
def test_golden_header_is_still_what_we_write(name: str) -> None:
    assert encode(EXAMPLES[name]) == (golden() / f"{name}.json").read_bytes()


@pytest.mark.parametrize("name", ["frame", "evidence"])
def test_golden_parts_are_still_what_we_write(name: str) -> None:
    stored = [path.read_bytes() for path in sorted(golden().glob(f"{name}.part*.bin"))]
    assert _parts()[name] == stored


@pytest.mark.parametrize("version", VERSIONS)
def test_golden_frame_decodes(version: int) -> None:
    parts = [path.read_bytes() for path in sorted(golden(version).glob("frame.part*.bin"))]
    frame = decode_frame(parts)
    assert frame.header == frame_message()
    np.testing.assert_array_equal(frame.pixels, PIXELS)


def test_golden_evidence_decodes() -> None:
    parts = [path.read_bytes() for path in sorted(golden().glob("evidence.part*.bin"))]
    evidence = decode_evidence(parts)
    assert evidence.header == EXAMPLES["evidence"]
    np.testing.assert_array_equal(evidence.anomaly_map, ANOMALY_MAP)
    assert evidence.jpeg == JPEG


def test_version_1_sent_evidence_along_with_the_verdict_which_counts() -> None:
    parts = [path.read_bytes() for path in sorted(golden(1).glob("verdict.part*.bin"))]
    assert len(parts) == 3
    assert decode_verdict(parts) == OLD["verdict"]


def test_every_message_type_has_golden_bytes() -> None:
    members: tuple[type[Message], ...] = AnyMessage.__origin__.__args__  # type: ignore[attr-defined]
    assert {type(message) for message in EXAMPLES.values()} == set(members)


def test_every_field_is_set_in_some_example() -> None:
    """A field that no example sets would have no golden bytes."""
    for kind in {type(message) for message in EXAMPLES.values()}:
        examples = [message for message in EXAMPLES.values() if type(message) is kind]
        written = set().union(*(_names(message) for message in examples))
        assert written == set(_fields(kind))


def _names(message: Tolerant, prefix: str = "") -> set[str]:
    """Names of the fields that are set, those of sections with the section's name."""
    found = set()
    for name in type(message).model_fields:
        value = getattr(message, name)
        if _is(type(value)):
            found |= _names(value, f"{prefix}{name}.")
        elif value is not None:
            found.add(prefix + name)
    return found


def _fields(kind: type[Tolerant], prefix: str = "") -> Iterator[str]:
    """Names of all fields that there are."""
    for name, field in kind.model_fields.items():
        sections = [each for each in (field.annotation, *get_args(field.annotation)) if _is(each)]
        for section in sections:
            yield from _fields(section, f"{prefix}{name}.")
        if not sections:
            yield prefix + name


def _is(kind: object) -> TypeGuard[type[Tolerant]]:
    """Whether this is a section; the verdict in evidence is golden by itself."""
    return isinstance(kind, type) and issubclass(kind, Tolerant) and kind is not VerdictRecord


if __name__ == "__main__":
    write_missing()
