"""compose.yaml: the specification's schema, what it refers to, and how it is locked down."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from contract.channels import CHANNELS, ROLES
from contract.config import Config
from contract.config_file import load_config
from contract.curve import load_pair, load_public
from flawline.demo.truth import Truth
from flawline.station.processes import Stage, processes_of
from tests.deploy.kit import CONFIGS, ROOT, health_check, load, run, stages

COMPOSE = load(ROOT / "compose.yaml")
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
VERSION = load(ROOT / "pyproject.toml")["project"]["version"]
ONE_SHOT = {"keys", "enroll", "models"}
WITHOUT_HEALTH_CHECK = {"guard", "ingest"}
BUILT = {name: service for name, service in SERVICES.items() if "build" in service}

each_service = pytest.mark.parametrize("name", SERVICES)


@pytest.fixture(scope="module")
def station() -> Config:
    return load_config(CONFIGS / "station-compose.yaml")


def mounts(name: str) -> dict[str, str]:
    """What is mounted where in a service: target to source."""
    parts = [volume.split(":") for volume in SERVICES[name].get("volumes", ())]
    return {part[1]: part[0] for part in parts}


def test_schema() -> None:
    schema = load(Path(__file__).with_name("compose_spec") / "compose-spec.json")
    jsonschema.validate(COMPOSE, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(COMPOSE | {"services": {"ingest": {"imagine": "x"}}}, schema)


@each_service
def test_is_locked_down(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["tmpfs"]
    assert not service["user"].startswith(("0", "root"))
    assert not {"privileged", "cap_add", "devices", "pid", "ipc"} & service.keys()


@each_service
def test_is_bounded(name: str) -> None:
    service = SERVICES[name]
    assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory", "pids"}
    assert service["logging"]["options"].keys() == {"max-size", "max-file"}
    assert service["restart"] == ("no" if name in ONE_SHOT else "unless-stopped")


@each_service
def test_publishes_on_loopback_alone(name: str) -> None:
    for port in SERVICES[name].get("ports", ()):
        assert re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port)
    assert SERVICES[name].get("network_mode", "none") == "none"


@each_service
def test_image_has_an_exact_tag(name: str) -> None:
    tag = SERVICES[name]["image"].partition(":")[2]
    assert re.match(r"v?\d+\.\d+\.\d+", tag)


@pytest.mark.parametrize("name", BUILT)
def test_what_is_built_has_a_target_and_our_version(name: str) -> None:
    target = BUILT[name]["build"]["target"]
    assert target in stages()
    assert BUILT[name]["image"] == f"flawline-{target}:{VERSION}"


@each_service
def test_mounts_exist_and_files_are_read_only(name: str) -> None:
    for source in mounts(name).values():
        if source.startswith("."):
            assert (ROOT / source).exists(), f"{name} mounts {source}"
        else:
            assert source in COMPOSE["volumes"]
    for volume in SERVICES[name].get("volumes", ()):
        assert not volume.startswith(".") or volume.endswith(":ro")


def test_every_volume_and_network_is_used() -> None:
    sources = {source for name in SERVICES for source in mounts(name).values()}
    assert COMPOSE["volumes"].keys() == {s for s in sources if not s.startswith(".")}
    networks = {name for service in SERVICES.values() for name in service.get("networks", ())}
    assert COMPOSE["networks"].keys() == networks


def has_health_check(name: str) -> bool:
    service = SERVICES[name]
    if "healthcheck" in service:
        return not service["healthcheck"].get("disable", False)
    return "build" in service and health_check(service["build"]["target"]) is not None


@each_service
def test_health_check(name: str) -> None:
    assert has_health_check(name) == (name not in ONE_SHOT | WITHOUT_HEALTH_CHECK)


@each_service
def test_dependencies_can_come_true(name: str) -> None:
    for other, how in SERVICES[name].get("depends_on", {}).items():
        assert "profiles" not in SERVICES[other]
        if how["condition"] == "service_completed_successfully":
            assert other in ONE_SHOT
        else:
            assert how["condition"] == "service_healthy"
            assert has_health_check(other)


def test_scorer_and_enrolment_have_the_gpu() -> None:
    for name in ("scorer", "enroll"):
        [device] = SERVICES[name]["deploy"]["resources"]["reservations"]["devices"]
        assert device == {"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}


def test_the_guard_is_what_the_station_would_start() -> None:
    production = CONFIGS / "production.yaml"
    specs = processes_of(load_config(production), production)
    [module] = [each.arguments[:2] for each in specs if each.stage is Stage.GUARD]
    assert SERVICES["guard"]["entrypoint"] == ["python", *module]
    for name in ("guard", "sinks"):
        networks = [COMPOSE["networks"][each] for each in SERVICES[name]["networks"]]
        assert {} in networks, f"{name} reaches no PLC"


def test_processes_reach_each_other(station: Config) -> None:
    for channel in CHANNELS.values():
        host = getattr(station.network, channel.name).removeprefix("tcp://").split(":")[0]
        assert host == channel.binds
        for process in channel.connects:
            if process in SERVICES:
                shared = set(SERVICES[process]["networks"]) & set(SERVICES[host]["networks"])
                assert shared, f"{process} cannot reach {host}"
    assert COMPOSE["networks"]["pipeline"]["internal"] is True


def test_each_camera_has_its_ingest(station: Config) -> None:
    named = [s["command"][-1] for s in BUILT.values() if s["build"]["target"] == "ingest"]
    assert named == [camera.name for _, camera in station.cameras()]


def test_the_camera_plays_the_demo_clip(station: Config) -> None:
    [(line, camera)] = station.cameras()
    paths = load(CONFIGS / "mediamtx" / "mediamtx.yml")["paths"]
    assert camera.source == f"rtsp://mediamtx:8554/{next(iter(paths))}"
    assert "/media/clip.mp4" in paths[camera.name]["runOnInit"]
    assert "/media/clip.mp4" in mounts("mediamtx")
    assert camera.name in SERVICES["mediamtx"]["healthcheck"]["test"][1]
    truth = Truth.load(ROOT / "flawline" / "assets" / "demo" / "truth.json")
    assert camera.region is not None
    assert camera.region.model_dump() == truth.region.model_dump()
    assert line.name in SERVICES["enroll"]["command"]


def test_prometheus_scrapes_the_sinks(station: Config) -> None:
    [job] = load(CONFIGS / "prometheus" / "prometheus.yml")["scrape_configs"]
    [targets] = job["static_configs"]
    assert targets["targets"] == [f"sinks:{station.sinks.metrics.port}"]
    assert station.sinks.metrics.host == "0.0.0.0"
    shared = set(SERVICES["sinks"]["networks"]) & set(SERVICES["prometheus"]["networks"])
    assert shared == {"monitoring"}


def test_grafana_finds_its_files() -> None:
    targets = mounts("grafana")
    provider = load(CONFIGS / "grafana" / "provisioning" / "dashboards" / "flawline.yaml")
    assert provider["providers"][0]["options"]["path"] in targets
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    folder, name = home.rsplit("/", 1)
    assert (ROOT / targets[folder] / name).is_file()


def test_files_inside_are_where_the_configuration_says(station: Config) -> None:
    for name in ("ingest", "scorer", "sinks"):
        assert str(station.network.curve_directory) in mounts(name)
        assert mounts(name)["/etc/flawline/station.yaml"] == "./configs/station-compose.yaml"
    assert str(station.memory_directory) in mounts("scorer")
    assert str(station.memory_directory) in mounts("enroll")
    assert str(station.data_directory) in mounts("sinks")


def test_keys_are_made_once_and_ingest_gets_no_secret_but_its_own(tmp_path: Path) -> None:
    station, camera = tmp_path / "station", tmp_path / "camera"
    camera.mkdir()
    [script] = SERVICES["keys"]["command"]
    script = script.replace("/camera-keys", str(camera)).replace("/keys", str(station))
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    for _ in range(2):
        run(*SERVICES["keys"]["entrypoint"], script, env={"PATH": path}, cwd=ROOT)
    assert [path.name for path in camera.glob("*secret*")] == ["ingest.key_secret"]
    assert load_pair(camera, "ingest") == load_pair(station, "ingest")
    for role in ROLES:
        assert load_public(camera, role) == load_pair(station, role).public
