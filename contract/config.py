"""The configuration: read once at the start of a process, checked whole, then passed in.

`contract.config_file` reads it from YAML; `flawline config schema` prints its JSON schema.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from contract.channels import CHANNELS
from contract.config_sinks import Sinks, require_apart
from contract.config_supervisor import SupervisorSettings
from contract.messages import Name
from contract.section import Endpoint, ResolvedPath, Score, Section, SourceUrl


def _device(name: str) -> str:
    if re.fullmatch(DEVICE_PATTERN, name) is None:
        raise ValueError(
            "must be cpu, cuda, or cuda:1 for the second GPU; a GPU of NVIDIA is called cuda"
        )
    return name


DEVICE_PATTERN: Final = r"^(cpu|cuda(:[0-9]+)?)$"
Device = Annotated[
    str, AfterValidator(_device), Field(json_schema_extra={"pattern": DEVICE_PATTERN})
]


class Region(Section):
    """Region of interest in the camera's picture."""

    x_px: int = Field(ge=0, description="left edge, pixels from the left of the camera's picture")
    y_px: int = Field(ge=0, description="top edge, pixels from the top of the camera's picture")
    width_px: int = Field(ge=16, le=16384, description="width in pixels")
    height_px: int = Field(ge=16, le=16384, description="height in pixels")


class Credentials(Section):
    """Where a camera's user name and password come from; the secret is never in this file."""

    username: str = Field(description="user name")
    password_env: str | None = Field(None, description="environment variable with the password")
    password_file: ResolvedPath | None = Field(None, description="file with the password")

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.password_env is None) == (self.password_file is None):
            raise ValueError("give exactly one of password_env and password_file")
        return self


class Camera(Section):
    """One physical source of frames."""

    name: Name = Field(description="unique in the station")
    source: SourceUrl = Field(
        description="rtsp(s):// or http(s):// URL, /dev/videoN, a video file, or an image folder"
    )
    credentials: Credentials | None = Field(None, description="for rtsp and http sources")
    fps: float | None = Field(
        None, gt=0, le=1000, description="frames admitted per second; empty: every decoded frame"
    )
    region: Region | None = Field(None, description="region of interest; empty: the whole picture")
    pace: Literal["live", "fast"] = Field(
        "live", description="files and folders: `live` plays at the recorded rate, `fast` at once"
    )
    loop: bool = Field(False, description="files and folders: start again at the end")
    open_timeout_s: float = Field(5.0, gt=0, le=60, description="time to open a live source")
    read_timeout_s: float = Field(5.0, gt=0, le=60, description="time without a packet")


class Line(Section):
    """One production line: what it makes, how it is judged, and its cameras."""

    name: Name = Field(description="unique in the station")
    object_name: str = Field(
        "object", min_length=1, max_length=80, description="what is inspected, in a word or two"
    )
    normal_states: tuple[str, ...] = Field(
        (), description="more words for good parts; `{}` stands for the object", max_length=50
    )
    anomalous_states: tuple[str, ...] = Field(
        (), description="more words for defects, e.g. `{} with missing screw`", max_length=50
    )
    fail_threshold: Score | None = Field(
        None, description="FAIL at or above this anomaly score; empty: the reference memory's own"
    )
    review_threshold: Score | None = Field(
        None, description="REVIEW from here up to fail_threshold; empty: no REVIEW"
    )
    review_as: Literal["FAIL", "PASS"] = Field(
        "FAIL", description="what the PLC is told when the verdict is REVIEW"
    )
    zero_shot_threshold: Score | None = Field(
        None,
        description="judge by words alone while no reference memory is active, with this FAIL "
        "threshold (its scale is another one); empty: UNSCORED until the line is taught",
    )
    drift_every: int | None = Field(
        25,
        ge=1,
        le=100_000,
        description="frames of a camera, at least, from one whose score is tested for drift from "
        "the calibration to the next; no fewer than show one part; empty: no test",
    )
    deadline_s: float | None = Field(
        1.0, gt=0, le=600, description="capture to verdict; later is LATE; empty: no deadline"
    )
    inspection_px: int = Field(
        240,
        ge=16,
        le=4096,
        description="side of the square crop that is scored, in pixels; larger than the model's "
        "input: it is scored as overlapping tiles",
    )
    tile_overlap_px: int = Field(
        64, ge=0, le=1024, description="least overlap of neighbouring tiles, in pixels"
    )
    tile_memory: Literal["position", "pooled"] = Field(
        "position",
        description="compare a tile with the references' tile at the same place, or with all",
    )
    mask: ResolvedPath | None = Field(
        None,
        description="picture of the inspected crop, white where it is inspected; what is black "
        "cannot move a score",
    )
    cameras: tuple[Camera, ...] = Field(
        min_length=1, description="cameras that see the same view: they share one memory"
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for state in (*self.normal_states, *self.anomalous_states):
            if state.count("{}") != 1:
                raise ValueError(f"state {state!r} must contain {{}} once, where the object goes")
        if self.review_threshold is not None and self.fail_threshold is not None:
            if self.review_threshold >= self.fail_threshold:
                raise ValueError("review_threshold must be below fail_threshold")
        return self


class ModelSettings(Section):
    """The CLIP model that scores."""

    name: str = Field("flawline-mini", description="an open_clip model name, or flawline-mini")
    weights: ResolvedPath | None = Field(
        None, description="local .safetensors or weights-only checkpoint"
    )
    pretrained: str | None = Field(
        None, description="open_clip pretrained tag, e.g. laion400m_e32; needs a network once"
    )
    preset: Literal["paper", "anomalib"] = Field("paper", description="details of WinCLIP")
    device: Device = Field("cpu", description="torch device: cpu, cuda or cuda:N")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto",
        description="compute type of the image tower; auto: bfloat16 where the device has "
        "instructions for it, else float32",
    )
    language_weight: Score | None = Field(
        None,
        description="share of words in score and map when there are references too; empty: 0.5 "
        "(equation 6), but 0 for flawline-mini, whose words are weak",
    )
    association: str | None = Field(
        None,
        description="a timm vision transformer, e.g. vit_small_patch14_dinov2, whose patches are "
        "compared with the references' instead of CLIP's; words stay CLIP's",
    )
    association_weights: ResolvedPath | None = Field(
        None, description="its local .safetensors or weights-only checkpoint"
    )
    compile: bool = Field(
        False,
        description="compile the image tower with torch.compile: a slower start and a C++ compiler "
        "on this host, for faster steps on a GPU",
    )
    num_threads: int | None = Field(None, ge=1, le=256, description="CPU threads; empty: all")

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.weights is not None and self.pretrained is not None:
            raise ValueError("give weights or pretrained, not both")
        if self.name == "flawline-mini" and (self.weights or self.pretrained):
            raise ValueError("flawline-mini carries its own weights")
        if self.name != "flawline-mini" and not (self.weights or self.pretrained):
            raise ValueError(f"{self.name} needs weights (a local file) or pretrained (a tag)")
        if (self.association is None) != (self.association_weights is None):
            raise ValueError("association and association_weights (a local file) go together")
        if self.dtype == "float16" and self.device == "cpu":
            raise ValueError("float16 is for GPUs; use auto, bfloat16 or float32 on a CPU")
        if self.compile and self.device == "cpu":
            raise ValueError("compile is for GPUs; leave it false on a CPU")
        return self


class CacheSettings(Section):
    """Reuse of windows whose pixels did not change since the camera's last frame."""

    mode: Literal["off", "exact", "tolerant"] = Field(
        "exact",
        description="exact: bit-identical patches only, the score is that of recomputing; "
        "tolerant: patches within the tolerance too; off",
    )
    tolerance_levels: float = Field(
        6.0,
        gt=0,
        le=64,
        description="tolerant: grey levels (of 255) that every pixel of a patch may differ by; a "
        "defect fainter than this is not seen",
    )
    audit_every: int = Field(
        200,
        ge=2,
        le=1_000_000,
        description="tolerant: every so many frames of a camera one is recomputed, judged by the "
        "recomputed score, and the difference published as a metric",
    )


class Scorer(Section):
    """The scoring process."""

    model: ModelSettings = Field(
        default_factory=lambda: ModelSettings.model_validate({}), description="the CLIP model"
    )
    cache: CacheSettings = Field(
        default_factory=lambda: CacheSettings.model_validate({}), description="the window cache"
    )
    max_batch_frames: int = Field(8, ge=1, le=256, description="frames scored in one pass")
    max_wait_s: float = Field(
        0.0,
        ge=0,
        le=1,
        description="how long a batch that is not full may wait for more frames, if their "
        "deadlines allow; of use on a GPU",
    )
    max_pending_frames: int = Field(
        64,
        ge=1,
        le=512,
        description="frames waiting in memory; lines share the scorer fairly among these",
    )
    pass_sample_fraction: Score = Field(
        0.02, description="share of PASS frames that carry a picture to the evidence folder"
    )


class Network(Section):
    """How the processes reach each other."""

    directory: ResolvedPath | None = Field(
        None, description="private folder for ipc sockets; empty: DATA/run"
    )
    frames: Endpoint | None = Field(None, description="empty: ipc in the private folder")
    verdicts: Endpoint | None = Field(None, description="empty: ipc in the private folder")
    status: Endpoint | None = Field(None, description="empty: ipc in the private folder")
    evidence: Endpoint | None = Field(None, description="empty: ipc in the private folder")
    control: Endpoint | None = Field(None, description="empty: ipc in the private folder")
    bind_host: str | None = Field(
        None, description="tcp: address to bind if not the one others connect to, e.g. 0.0.0.0"
    )
    curve_directory: ResolvedPath | None = Field(
        None, description="keys for tcp endpoints, made by `flawline config keys DIR`"
    )

    @model_validator(mode="after")
    def _tcp_is_encrypted(self) -> Self:
        tcp = [name for name in CHANNELS if self.is_tcp(name)]
        if tcp and self.curve_directory is None:
            raise ValueError(f"{tcp[0]} uses tcp, which needs curve_directory")
        return self

    def is_tcp(self, channel: str) -> bool:
        """Whether `channel` leaves the host's file system."""
        return (getattr(self, channel) or "").startswith("tcp://")


class Config(Section):
    """A station: its lines and cameras, the scorer that judges and the sinks that tell."""

    version: Literal[1] = Field(1, description="version of this file's format")
    station: Name = Field("station", description="this host's name in events and metrics")
    data_directory: ResolvedPath = Field(
        Path("flawline-data"), validate_default=True, description="store, memories and evidence"
    )
    network: Network = Field(
        default_factory=lambda: Network.model_validate({}), description="sockets and keys"
    )
    scorer: Scorer = Field(
        default_factory=lambda: Scorer.model_validate({}), description="the scoring process"
    )
    sinks: Sinks = Field(
        default_factory=lambda: Sinks.model_validate({}), description="the process that tells"
    )
    supervisor: SupervisorSettings = Field(
        default_factory=lambda: SupervisorSettings.model_validate({}),
        description="how `flawline run` looks after the processes",
    )
    lines: tuple[Line, ...] = Field(min_length=1, description="the station's production lines")

    @model_validator(mode="after")
    def _names_agree(self) -> Self:
        _unique("line", [line.name for line in self.lines])
        _unique("camera", [camera.name for _, camera in self.cameras()])
        _unique("webhook", [hook.name for hook in self.sinks.webhooks])
        _unique("modbus output", [plc.name for plc in self.sinks.modbus])
        _unique("modbus output for line", [plc.line for plc in self.sinks.modbus])
        for line in self.lines:
            if line.deadline_s is not None and line.deadline_s >= self.sinks.lost_after_s:
                raise ValueError(
                    f"line {line.name} has a deadline_s of {line.deadline_s:g}; it must be below "
                    f"sinks.lost_after_s ({self.sinks.lost_after_s:g}), or a frame that the book "
                    "calls lost could still pass the gate"
                )
        known = [line.name for line in self.lines]
        for plc in self.sinks.modbus:
            if plc.line not in known:
                raise ValueError(
                    f"modbus output {plc.name} names line {plc.line}; the lines are {known}"
                )
            deadline_s = self.line(plc.line).deadline_s
            if deadline_s is None:
                raise ValueError(
                    f"line {plc.line} feeds modbus output {plc.name} and needs a deadline_s: "
                    "without one an old verdict would pass a new part"
                )
            if deadline_s + plc.timeout_s >= self.sinks.lost_after_s:
                raise ValueError(
                    f"modbus output {plc.name} may answer {plc.timeout_s:g} s after the deadline_s "
                    f"({deadline_s:g}) of line {plc.line}; that must be below sinks.lost_after_s "
                    f"({self.sinks.lost_after_s:g}), or the book may call lost what it was told"
                )
        require_apart(self.sinks.modbus)
        return self

    def cameras(self) -> list[tuple[Line, Camera]]:
        """Every camera with its line."""
        return [(line, camera) for line in self.lines for camera in line.cameras]

    def line(self, name: str) -> Line:
        """The line called `name`.

        Raises:
            KeyError: there is none.
        """
        return {line.name: line for line in self.lines}[name]

    @property
    def memory_directory(self) -> Path:
        return self.data_directory / "memories"

    @property
    def evidence_directory(self) -> Path:
        return self.sinks.evidence.directory or self.data_directory / "heatmaps"

    @property
    def store_url(self) -> str:
        return self.sinks.store_url or f"sqlite:///{self.data_directory / 'events.db'}"

    @property
    def run_directory(self) -> Path:
        return self.network.directory or self.data_directory / "run"


def _unique(kind: str, names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{kind} {twice[0]} is named twice")
