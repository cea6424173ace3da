"""What runs in a station, and what each process reads of the configuration."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Any

from contract.config import Camera, Config, Line

HUNG_AFTER_S = 60.0


class Stage(IntEnum):
    """Place in the pipeline. Started from the last to the first, stopped from the first."""

    INGEST = 0
    SCORER = 1
    SINKS = 2
    GUARD = 3


@dataclass(frozen=True)
class ProcessSpec:
    """One process to run.

    Attributes:
        name: `sinks`, `scorer`, or `ingest` and its camera.
        arguments: for the interpreter.
        hung_after_s: silence after which it counts as hung.
        reads: what it reads of the configuration; where that changes, it must start anew.
    """

    name: str
    stage: Stage
    arguments: tuple[str, ...]
    hung_after_s: float = field(default=HUNG_AFTER_S, compare=False)
    reads: object = None


def processes_of(config: Config, config_path: Path) -> tuple[ProcessSpec, ...]:
    """The processes of a station: guard, sinks, scorer, and an ingest for each camera."""
    path = str(config_path)
    limits = config.supervisor
    guard = ProcessSpec(
        "guard",
        Stage.GUARD,
        ("-m", "sinks.plc", path),
        limits.sinks_hung_after_s,
        config.sinks.modbus,
    )
    return (
        *([guard] if any(plc.guard for plc in config.sinks.modbus) else []),
        ProcessSpec(
            "sinks",
            Stage.SINKS,
            ("-m", "sinks", path),
            limits.sinks_hung_after_s,
            _read_by_sinks(config),
        ),
        ProcessSpec(
            "scorer",
            Stage.SCORER,
            ("-m", "scorer", path),
            limits.scorer_hung_after_s,
            _read_by_scorer(config),
        ),
        *(
            ProcessSpec(
                f"ingest {camera.name}",
                Stage.INGEST,
                ("-m", "ingest", path, "--camera", camera.name),
                limits.ingest_hung_after_s,
                _read_by_ingest(config, line, camera),
            )
            for line, camera in config.cameras()
        ),
    )


def _read_by_all(config: Config) -> Mapping[str, Any]:
    return {
        "station": config.station,
        "data_directory": config.data_directory,
        "network": config.network,
    }


def _read_by_ingest(config: Config, line: Line, camera: Camera) -> Mapping[str, Any]:
    return {
        **_read_by_all(config),
        "line": (line.name, line.inspection_px, line.deadline_s),
        "camera": camera,
    }


def _read_by_scorer(config: Config) -> Mapping[str, Any]:
    """A memory belongs to a region; how a camera is reached is its ingest's affair."""
    return {
        **_read_by_all(config),
        "scorer": config.scorer,
        "lines": [line.model_dump(exclude={"cameras"}) for line in config.lines],
        "masks": [_content(line.mask) for line in config.lines],
        "cameras": [(line.name, camera.name, camera.region) for line, camera in config.cameras()],
    }


def _content(path: Path | None) -> str | None:
    """What tells one content from another; None without a file that can be read."""
    if path is None:
        return None
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None


def _read_by_sinks(config: Config) -> Mapping[str, Any]:
    told = [config.line(plc.line) for plc in config.sinks.modbus]
    return {
        **_read_by_all(config),
        "sinks": config.sinks,
        "lines": [
            (line.name, line.review_as, [camera.name for camera in line.cameras]) for line in told
        ],
    }
