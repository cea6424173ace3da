"""How messages of older wire versions are read: each step makes one version the next."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

Header = dict[str, Any]

_SECTIONS_OF_2: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "times": {
            name: name
            for name in (
                "captured_ns",
                "decoded_ns",
                "received_ns",
                "scored_ns",
                "emitted_ns",
                "deadline_ns",
                "source_pts_ns",
                "step_ns",
            )
        },
        "provenance": {
            name: name for name in ("memory_version", "model", "weights_sha256", "preset")
        },
        "drift": {"drift_evidence": "evidence", "drift_alarm": "alarm"},
        "shadow": {
            "shadow_version": "version",
            "shadow_score": "score",
            "shadow_outcome": "outcome",
        },
        "cache": {"reused_fraction": "reused_fraction", "cache_score_error": "score_error"},
    }
)


def _nest_verdicts(header: Header) -> Header:
    """Version 2 gathers a verdict's times, provenance, drift, shadow and cache in sections."""
    if header.get("type") != "verdict":
        return header
    flat = dict(header)
    sections = {
        section: {new: flat.pop(old) for old, new in names.items() if old in flat}
        for section, names in _SECTIONS_OF_2.items()
    }
    return flat | {section: values for section, values in sections.items() if values}


_STEPS: Final[Mapping[int, Callable[[Header], Header]]] = MappingProxyType({1: _nest_verdicts})


def upgraded(header: Header) -> Header:
    """`header` as the present version would have written it; what is unknown stays as it is."""
    version = header.get("wire_version")
    while type(version) is int and version in _STEPS:
        header = _STEPS[version](header)
        version += 1
        header = header | {"wire_version": version}
    return header
