"""Messages that somebody sends who means no good, or whose software is broken: a table."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from typing import Any, Final

from contract.codec import encode
from contract.messages import AckMessage, Message

NUMBERS: Final = {
    "NaN": "NaN",
    "infinite": "1e999",
    "negative": "-1",
    "beyond 63 bits": str(1 << 63),
    "thousands of digits": "9" * 4001,
    "more digits than an integer may have": "9" * 10_000,
    "text": '"7"x',
}
NAMES: Final = {
    "path": "../../../etc/passwd",
    "line break": "belt\n00:00:00 INFO sinks: all is well",
    "right to left": "\u202etleb",
    "null": "be\0lt",
    "half a character": "\ud800",
    "long": "x" * 100_000,
    "list": ["belt"],
    "empty": "",
}


def headers(good: Message, *, number: str, name: str) -> dict[str, bytes]:
    """Broken headers by what is wrong with them.

    Args:
        good: what is sent when nothing is wrong.
        number, name: paths of fields of it, `a.b` for one in a section.
    """
    whole = json.loads(encode(good))
    rest = random.Random(0)
    found = {
        "empty": b"",
        "one byte": b"x",
        "a megabyte of zeros": bytes(1 << 20),
        "truncated": encode(good)[:-1],
        "endlessly deep": b'{"a":' * 150_000,
        "deep and closed": b'{"a":' * 5000 + b"1" + b"}" * 5000,
        "list": b"[]",
        "null": b"null",
        "UTF-16": json.dumps(whole).encode("utf-16"),
        "unknown version": _json(whole | {"wire_version": 99}),
        "version that is none": _json(whole | {"wire_version": {"a": [2]}}),
        "no type": _json({key: whole[key] for key in whole if key != "type"}),
        "type of a line and more": _json(whole | {"type": "x\nINFO all is well" + "y" * 500_000}),
        "type that is none": _json(whole | {"type": [1]}),
        "of another channel": encode(AckMessage(delivery_ids=())),
    }
    found |= {f"number {key}": _with(whole, number, value) for key, value in NUMBERS.items()}
    found |= {f"name {key}": _with(whole, name, json.dumps(v)) for key, v in NAMES.items()}
    found |= {f"noise {seed}": rest.randbytes(1 + 97 * seed) for seed in range(8)}
    return found


def _json(fields: Mapping[str, Any]) -> bytes:
    return json.dumps(fields).encode()


def _with(fields: Mapping[str, Any], path: str, value: str) -> bytes:
    """The JSON of `fields` with `value`, which need not be JSON, at `path`."""
    place = "<here>"
    *sections, last = path.split(".")
    changed = json.loads(json.dumps(fields))
    section = changed
    for each in sections:
        section = section[each]
    section[last] = place
    return json.dumps(changed).replace(json.dumps(place), value).encode()
