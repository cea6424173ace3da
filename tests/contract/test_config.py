"""What a configuration may say, and what it must not."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from pydantic import BaseModel, ValidationError

from contract.config import Config
from contract.config_sinks import Modbus, WebhookSettings

BASE = Path("/etc/belt")


def configuration(**changes: Any) -> dict[str, Any]:
    """A valid document; `changes` replace its top-level keys."""
    return {"lines": [line()], **changes}


def line(**changes: Any) -> dict[str, Any]:
    return {"name": "bottles", "cameras": [camera()], **changes}


def camera(**changes: Any) -> dict[str, Any]:
    return {"name": "top", "source": "rtsp://10.0.0.7/live", **changes}


def parse(document: dict[str, Any]) -> Config:
    return Config.model_validate(document, context={"base": BASE})


def refusal(document: dict[str, Any]) -> str:
    with pytest.raises(ValidationError) as refused:
        parse(document)
    return str(refused.value)


def modbus(name: str, **fields: Any) -> dict[str, Any]:
    """An output of line `bottles`."""
    return {"name": name, "line": "bottles", "host": "h"} | fields


def test_the_smallest_configuration() -> None:
    config = parse(configuration())
    assert config.scorer.model.name == "flawline-mini"
    assert config.line("bottles").deadline_s == 1.0
    with pytest.raises(KeyError):
        config.line("cans")


def test_relative_paths_count_from_the_file() -> None:
    config = parse(
        configuration(
            lines=[
                line(
                    cameras=[
                        camera(name="a", source="clip.mp4"),
                        camera(name="b", source="/dev/video0"),
                        camera(name="c", source="rtsp://10.0.0.7/live"),
                        camera(
                            name="d",
                            credentials={"username": "u", "password_file": "secret"},
                        ),
                    ]
                )
            ],
            network={"curve_directory": "keys", "frames": "ipc://run/frames"},
            scorer={"model": {"name": "ViT-B-16-plus-240", "weights": "clip.safetensors"}},
            sinks={"evidence": {"directory": "pictures"}},
        )
    )
    cameras = [camera for _, camera in config.cameras()]
    assert [each.source for each in cameras[:3]] == [
        "/etc/belt/clip.mp4",
        "/dev/video0",
        "rtsp://10.0.0.7/live",
    ]
    assert cameras[3].credentials is not None
    assert cameras[3].credentials.password_file == BASE / "secret"
    assert config.scorer.model.weights == BASE / "clip.safetensors"
    assert config.network.curve_directory == BASE / "keys"
    assert config.network.frames == "ipc:///etc/belt/run/frames"
    assert config.evidence_directory == BASE / "pictures"
    assert config.data_directory == BASE / "flawline-data"
    assert config.memory_directory == BASE / "flawline-data" / "memories"
    assert config.run_directory == BASE / "flawline-data" / "run"
    assert config.store_url == "sqlite:////etc/belt/flawline-data/events.db"


def test_home_is_expanded() -> None:
    assert parse(configuration(data_directory="~/belt")).data_directory == Path.home() / "belt"


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        (configuration(lines=[]), "at least 1"),
        (configuration(lines=[line(), line()]), "line bottles is named twice"),
        (
            configuration(lines=[line(), line(name="cans")]),
            "camera top is named twice",
        ),
        (configuration(lines=[line(cameras=[])]), "at least 1"),
        (configuration(lines=[line(name="two words")]), "lines.0.name"),
        (configuration(lines=[line(fail_threshold=math.nan)]), "fail_threshold"),
        (configuration(lines=[line(fail_threshold=1.5)]), "fail_threshold"),
        (configuration(lines=[line(deadline_s=math.nan)]), "deadline_s"),
        (configuration(lines=[line(deadline_s=0)]), "deadline_s"),
        (
            configuration(lines=[line(fail_threshold=0.4, review_threshold=0.4)]),
            "review_threshold must be below fail_threshold",
        ),
        (configuration(lines=[line(anomalous_states=["broken"])]), "must contain {} once"),
        (configuration(lines=[line(anomalous_states=["{} {}"])]), "must contain {} once"),
        (configuration(lines=[line(cameras=[camera(fps=math.inf)])]), "fps"),
        (
            configuration(lines=[line(cameras=[camera(credentials={"username": "u"})])]),
            "exactly one of password_env and password_file",
        ),
        (configuration(network={"frames": "tcp://scorer:5550"}), "needs curve_directory"),
        (configuration(network={"frames": "udp://scorer:5550"}), "tcp://HOST:PORT or ipc://"),
        (configuration(network={"frames": "tcp://scorer"}), "tcp://HOST:PORT or ipc://"),
        (
            configuration(network={"frames": "tcp://scorer:70000", "curve_directory": "k"}),
            "port",
        ),
        (configuration(scorer={"model": {"name": "ViT-B-32"}}), "needs weights"),
        (
            configuration(scorer={"model": {"weights": "x.safetensors"}}),
            "carries its own weights",
        ),
        (
            configuration(
                scorer={"model": {"name": "ViT-B-32", "weights": "x", "pretrained": "openai"}}
            ),
            "not both",
        ),
        (configuration(scorer={"model": {"dtype": "float16"}}), "float16 is for GPUs"),
        (configuration(scorer={"model": {"compile": True}}), "compile is for GPUs"),
        (configuration(scorer={"model": {"device": "tpu"}}), "device"),
        (
            configuration(sinks={"modbus": [{"name": "plc", "line": "cans", "host": "h"}]}),
            "names line cans; the lines are",
        ),
        (
            configuration(
                lines=[line(deadline_s=1)],
                sinks={"modbus": [modbus("gate"), modbus("second", host="other")]},
            ),
            "modbus output for line bottles is named twice",
        ),
        (
            configuration(lines=[line(deadline_s=None)], sinks={"modbus": [modbus("gate")]}),
            "needs a deadline_s",
        ),
        (
            configuration(
                lines=[line(deadline_s=9.5)], sinks={"modbus": [modbus("gate", timeout_s=0.5)]}
            ),
            "that must be below sinks.lost_after_s",
        ),
        (
            configuration(sinks={"webhooks": [{"name": "mes", "url": "ftp://mes"}]}),
            "http:// or https://",
        ),
        (
            configuration(sinks={"webhooks": [{"name": "mes", "url": "http://mes"}] * 2}),
            "webhook mes is named twice",
        ),
        (configuration(version=2), "version"),
        (configuration(lins=[]), "lins"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_refused(document: dict[str, Any], complaint: str) -> None:
    assert complaint in refusal(document)


@pytest.mark.parametrize(
    "source",
    [
        "rtsp://admin:hunter2@10.0.0.7/live",
        "rtsp://admin@10.0.0.7/live",
        "rtsp://admin:hun/ter2@10.0.0.7/live",
        "rtsp://admin:hun#ter2@10.0.0.7/live",
        "rtsp://admin:hun?ter2@10.0.0.7/live",
        "http://admin:hun@ter2@10.0.0.7/live",
    ],
)
def test_credentials_in_a_camera_url_are_refused(source: str) -> None:
    assert "credentials" in refusal(configuration(lines=[line(cameras=[camera(source=source)])]))


def test_credentials_in_a_webhook_url_are_refused() -> None:
    hooks = [{"name": "mes", "url": "https://user:hunter2@mes.example/in"}]
    assert "credentials" in refusal(configuration(sinks={"webhooks": hooks}))


@pytest.mark.parametrize(
    "source",
    ["rtsp://10.0.0.7:554/stream@2", "http://[fe80::1]:8080/x", "rtsp://cam/a:b@c", "a@b.mp4"],
)
def test_an_at_sign_elsewhere_is_no_credential(source: str) -> None:
    config = parse(configuration(lines=[line(cameras=[camera(source=source)])]))
    assert config.cameras()[0][1].source.endswith(source)


def test_a_configuration_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        parse(configuration()).station = "other"  # type: ignore[misc]


def _sections(kind: type[BaseModel], seen: set[type[BaseModel]]) -> Iterator[type[BaseModel]]:
    """`kind` and every section that its fields hold."""
    if kind in seen:
        return
    seen.add(kind)
    yield kind
    for field in kind.model_fields.values():
        for inner in _models_in(field.annotation):
            yield from _sections(inner, seen)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in getattr(annotation, "__args__", ()):
        yield from _models_in(argument)


@pytest.mark.parametrize("section", list(_sections(Config, set())), ids=lambda kind: kind.__name__)
def test_every_section_is_strict_and_every_field_described(section: type[BaseModel]) -> None:
    assert section.model_config["extra"] == "forbid"
    assert section.model_config["frozen"]
    assert section.__doc__
    undescribed = [name for name, field in section.model_fields.items() if not field.description]
    assert undescribed == []


def test_the_json_schema_is_valid_and_accepts_what_we_accept() -> None:
    schema = Config.model_json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    document = yaml.safe_load(
        """
        lines:
          - name: bottles
            fail_threshold: 0.5
            cameras: [{name: top, source: clip.mp4}]
        """
    )
    validator.validate(document)
    document["lines"][0]["fail_treshold"] = 0.5
    assert not validator.is_valid(document)


@pytest.mark.parametrize(
    "host", ["", "a" * 64 + ".plant", "gate\x00", "gate one", "gate\n", "a..b", "gate/1", "é" * 80]
)
def test_a_host_that_no_resolver_takes_is_refused(host: str) -> None:
    gate = {"name": "gate", "line": "belt", "host": host}
    with pytest.raises(ValidationError, match="host"):
        Modbus.model_validate(gate)


@pytest.mark.parametrize("host", ["10.0.0.9", "::1", "gate.plant.example", "münchen.example"])
def test_a_host_that_a_resolver_takes_is_taken(host: str) -> None:
    assert Modbus.model_validate({"name": "gate", "line": "belt", "host": host}).host == host


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://mes.example:http/flawline", "the port must be a number"),
        ("https://mes.example:99999/", "the port must be a number"),
        (f"https://{'a' * 64}.example/", "must be a host name or an address"),
        ("https://mes\x00.example/", "must be a host name or an address"),
    ],
)
def test_a_receiver_that_cannot_be_reached_ever_is_refused(url: str, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        WebhookSettings.model_validate({"name": "mes", "url": url})


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (f"rtsp://{'a' * 64}.plant/live", "must be a host name or an address"),
        ("rtsp://a..b/live", "must be a host name or an address"),
        ("rtsp://camera:rtsp/live", "the port must be a number"),
        ("rtsp://camera:99999/live", "the port must be a number"),
        ("rtsp://camera\x00/live", "control characters"),
        ("clip\x00.mp4", "control characters"),
        ("clip\n.mp4", "control characters"),
    ],
)
def test_a_camera_that_can_never_be_opened_is_refused(source: str, said: str) -> None:
    assert said in refusal(configuration(lines=[line(cameras=[camera(source=source)])]))


@pytest.mark.parametrize("host", ["a..b", "a" * 64, "sco\x00rer", "sc@rer"])
def test_an_endpoint_whose_host_no_resolver_takes_is_refused(host: str) -> None:
    network = {"frames": f"tcp://{host}:5550", "curve_directory": "k"}
    assert "must be a host name or an address" in refusal(configuration(network=network))


@pytest.mark.parametrize(
    "source",
    [
        "rtsp://[fe80::1]:554/live",
        "v4l2:///dev/video0",
        "Präzision 1/Bild.mp4",
        "rtsps://münchen/a",
    ],
)
def test_a_source_that_may_be_opened_is_taken(source: str) -> None:
    parse(configuration(lines=[line(cameras=[camera(source=source)])]))
