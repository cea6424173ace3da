"""What a change of the configuration restarts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from contract.config import Config
from flawline.station.processes import ProcessSpec, processes_of

PLC = {"name": "gate", "line": "a", "host": "10.0.0.9"}
EVERYTHING = {"sinks", "scorer", "ingest a-top", "ingest a-side", "ingest b-top"}


def config(line: Mapping[str, Any], camera: Mapping[str, Any], more: Mapping[str, Any]) -> Config:
    """Two lines; `line` and `camera` change line a and its camera a-top."""
    top = {"name": "a-top", "source": "/dev/video0", **camera}
    return Config.model_validate(
        {
            "lines": [
                {
                    "name": "a",
                    **line,
                    "cameras": [top, {"name": "a-side", "source": "/dev/video1"}],
                },
                {"name": "b", "cameras": [{"name": "b-top", "source": "/dev/video2"}]},
            ],
            **more,
            "sinks": {"modbus": [PLC], **more.get("sinks", {})},
        }
    )


@pytest.mark.parametrize(
    ("line", "camera", "more", "touched"),
    [
        ({}, {}, {}, set()),
        ({}, {"fps": 5}, {}, {"ingest a-top"}),
        ({}, {"source": "rtsp://10.0.0.7/live"}, {}, {"ingest a-top"}),
        ({}, {"credentials": {"username": "u", "password_env": "P"}}, {}, {"ingest a-top"}),
        (
            {},
            {"region": {"x_px": 0, "y_px": 0, "width_px": 99, "height_px": 99}},
            {},
            {"ingest a-top", "scorer"},
        ),
        ({"fail_threshold": 0.7}, {}, {}, {"scorer"}),
        ({"review_as": "PASS"}, {}, {}, {"scorer", "sinks"}),
        ({"deadline_s": 2.0}, {}, {}, {"scorer", "ingest a-top", "ingest a-side"}),
        ({}, {}, {"scorer": {"max_batch_frames": 2}}, {"scorer"}),
        ({}, {}, {"sinks": {"queue_size": 99}}, {"sinks"}),
        ({}, {}, {"sinks": {"modbus": [PLC | {"port": 1502}]}}, {"sinks", "guard"}),
        ({}, {}, {"supervisor": {"scorer_hung_after_s": 99}}, set()),
        ({}, {}, {"station": "other"}, EVERYTHING),
        ({}, {}, {"data_directory": "/other"}, EVERYTHING),
        ({}, {}, {"network": {"directory": "/other"}}, EVERYTHING),
    ],
)
def test_only_what_reads_a_setting_is_touched_by_it(
    line: Mapping[str, Any], camera: Mapping[str, Any], more: Mapping[str, Any], touched: set[str]
) -> None:
    path = Path("station.yaml")
    before = {spec.name: spec for spec in processes_of(config({}, {}, {}), path)}
    after = {spec.name: spec for spec in processes_of(config(line, camera, more), path)}
    assert before.keys() == after.keys() == EVERYTHING | {"guard"}
    assert {name for name in after if after[name] != before[name]} == touched


def test_a_mask_that_was_drawn_anew_concerns_the_scorer(tmp_path: Path) -> None:
    mask = tmp_path / "mask.png"

    def specs(content: bytes) -> tuple[ProcessSpec, ...]:
        mask.write_bytes(content)
        return processes_of(config({"mask": str(mask)}, {}, {}), tmp_path / "belt.yaml")

    before, same, after = specs(b"old"), specs(b"old"), specs(b"new")
    assert before == same
    assert {old.name for old, new in zip(before, after, strict=True) if old != new} == {"scorer"}


@pytest.mark.parametrize("modbus", [[], [PLC | {"guard": False}]])
def test_where_nothing_is_to_be_guarded_there_is_no_guard(modbus: list[dict[str, Any]]) -> None:
    specs = processes_of(config({}, {}, {"sinks": {"modbus": modbus}}), Path("station.yaml"))
    assert {spec.name for spec in specs} == EVERYTHING
