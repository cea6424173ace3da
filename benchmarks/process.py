"""A whole scorer process over real sockets: what the shell adds, and memory over many frames."""

from __future__ import annotations

import os
import select
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from benchmarks.contestants import pictures
from benchmarks.growth import frame_of
from contract.clock import SystemClock
from contract.codec import decode_verdict, encode, encode_frame
from contract.config_file import load_config
from contract.messages import AckMessage, VerdictMessage
from contract.sockets import Sockets
from scorer.references.enrolment import enroll
from scorer.references.shelf import Shelf
from scorer.scoring.winclip import load_model

START_S = 300.0
ANSWER_S = 120.0


def shell(scratch: Path, *, frames: int) -> dict[str, Any]:
    """Milliseconds a frame between sending it and having its verdict, less the model's step.

    One frame is under way at a time, with flawline-mini. What is left is all that is not the
    model: encoding, sockets, scheduling, batching, the verdict.
    """
    path = _station(scratch / "shell", {"name": "flawline-mini"}, lines=1)
    [image] = pictures(1, 240)
    figures = {}
    with _scorer(path) as link:
        for kind in ("every frame new", "every frame the same"):
            around, inside = [], []
            for frame_id in range(frames):
                picture = image if kind.endswith("same") else _moved(image, frame_id)
                start_s = time.perf_counter()
                header = link.judge(picture, frame_id)
                around.append(time.perf_counter() - start_s)
                inside.append((header.times.step_ns or 0) / 1e9)
            outside = [all_s - own_s for all_s, own_s in zip(around, inside, strict=True)]
            figures[kind] = {
                "round trip p50 ms": 1e3 * statistics.median(around),
                "shell p50 ms": 1e3 * statistics.median(outside),
            }
    return figures


def resident(
    scratch: Path, model: dict[str, str], *, lines: int, frames: int, side_px: int = 240
) -> dict[str, Any]:
    """Resident megabytes of a scorer over `frames` frames of `lines` lines of 4 references."""
    home = _station(scratch / "resident", model, lines=lines)
    [image] = pictures(1, side_px)
    seen = []
    with _scorer(home) as link:
        for frame_id in range(frames):
            link.judge(_moved(image, frame_id), frame_id, frame_id % lines)
            seen.append(link.resident_mb())
        peak_mb = link.field_mb("VmHWM")
    quarter = max(1, frames // 4)
    second = statistics.median(seen[quarter : 2 * quarter])
    last = statistics.median(seen[-quarter:])
    return {
        "lines": lines,
        "frames": frames,
        "median of the second quarter": second,
        "median of the last quarter": last,
        "growth between them": last - second,
        "peak, with loading": peak_mb,
    }


class Link:
    """The places of ingest and sinks at a running scorer."""

    def __init__(self, sockets: Sockets, process: subprocess.Popen[bytes]) -> None:
        self._verdicts = sockets.bind("verdicts")
        self._status = sockets.bind("status")
        self._frames = sockets.connect("frames")
        self._process = process

    def judge(self, picture: Any, frame_id: int, number: int = 0) -> VerdictMessage:
        """The header of the verdict on one frame."""
        self._frames.send_multipart(list(encode_frame(frame_of(picture, frame_id, number))))
        if not self._verdicts.poll(int(ANSWER_S * 1e3)):
            raise RuntimeError("the scorer does not answer")
        identity, *parts = self._verdicts.recv_multipart()
        header = decode_verdict(parts)
        self._verdicts.send_multipart(
            [identity, encode(AckMessage(delivery_ids=(header.delivery_id,)))]
        )
        if header.anomaly_score is None:
            raise RuntimeError(f"the frame was not scored: {header.outcome} {header.reason}")
        return header

    def resident_mb(self) -> float:
        return self.field_mb("VmRSS")

    def field_mb(self, name: str) -> float:
        """A field of the scorer's memory, in megabytes."""
        text = Path(f"/proc/{self._process.pid}/status").read_text()
        line = next(each for each in text.splitlines() if each.startswith(name + ":"))
        return int(line.split()[1]) / 1024


def _station(home: Path, model: dict[str, str], *, lines: int) -> Path:
    """A configuration whose lines know four references each."""
    home.mkdir(parents=True, exist_ok=True)
    document = {
        "station": "bench",
        "data_directory": "data",
        "lines": [
            {
                "name": f"line-{number}",
                "deadline_s": None,
                "cameras": [{"name": f"cam-{number}", "source": "/dev/video0"}],
            }
            for number in range(lines)
        ],
        "scorer": {"model": model, "pass_sample_fraction": 0.0},
    }
    path = home / "station.yaml"
    path.write_text(yaml.safe_dump(document))
    config = load_config(path)
    shelf, first = Shelf(config.memory_directory), config.lines[0]
    references = pictures(4, first.inspection_px)
    taught = enroll(load_model(config.scorer.model), first, references, shelf, SystemClock())
    memory, _ = shelf.load(first.name, taught.version)
    for line in config.lines[1:]:
        regions = {camera.name: camera.region for camera in line.cameras}
        shelf.save(memory, taught.model_copy(update={"line": line.name, "regions": regions}))
        shelf.activate(line.name, taught.version, now_ns=taught.created_ns, by=taught.created_by)
    return path


@contextmanager
def _scorer(path: Path) -> Iterator[Link]:
    reading, writing = os.pipe()
    with Sockets(load_config(path)) as sockets:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "scorer", str(path), "--ready-fd", str(writing)],
            pass_fds=[writing],
            stderr=subprocess.DEVNULL,
        )
        try:
            os.close(writing)
            link = Link(sockets, process)
            if not select.select([reading], [], [], START_S)[0] or not os.read(reading, 10):
                raise RuntimeError("the scorer did not start")
            yield link
        finally:
            os.close(reading)
            process.kill()
            process.wait()


def _moved(image: Any, frame_id: int) -> Any:
    """Another picture for each frame: rolled, so that every patch changes."""
    return np.roll(image, 3 * frame_id + 1, axis=1)
