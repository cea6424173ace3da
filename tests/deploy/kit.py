"""The files that deployments are made of, an exporter with samples, and a real Prometheus."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import tomllib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml

from contract.clock import SystemClock
from contract.messages import Outcome, StreamKey
from contract.reasons import DeliveryReason
from sinks.ledger.book import Settled
from sinks.metrics.metrics import Metrics
from sinks.metrics.roster import Cameras
from tests.sinks.kit import arrival, camera, scorer_alive, until, verdict

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / "configs"
RULES = CONFIGS / "prometheus" / "rules.yml"
DASHBOARD = CONFIGS / "grafana" / "dashboards" / "flawline.json"
STREAM = StreamKey("compose", "rings", "rings-top", 1_790_000_000_000)


def load(path: Path) -> dict[str, Any]:
    """A YAML, JSON or TOML file that holds a mapping."""
    text = path.read_text(encoding="utf-8")
    document = tomllib.loads(text) if path.suffix == ".toml" else yaml.safe_load(text)
    assert isinstance(document, dict), f"{path} is not a mapping"
    return document


def program(name: str) -> str:
    """Where the program `name` of Prometheus is."""
    found = shutil.which(name)
    assert found, f"{name} is not installed: apt-get install prometheus (Debian)"
    return found


def run(*command: str | Path, **options: Any) -> str:
    """What `command` says; it must succeed."""
    done: subprocess.CompletedProcess[str] = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, timeout=60, **options
    )
    assert done.returncode == 0, f"{command}:\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def stages() -> dict[str, list[str]]:
    """The instructions of each named stage of the Dockerfile, continued lines joined."""
    text = (ROOT / "Dockerfile").read_text("utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    found: dict[str, list[str]] = {}
    for instruction in "\n".join(lines).replace("\\\n", " ").splitlines():
        if instruction.startswith("FROM "):
            found[instruction.split(" AS ")[1]] = []
        next(reversed(found.values())).append(instruction)
    return found


def health_check(stage: str) -> list[str] | None:
    """The command of a stage's HEALTHCHECK."""
    for instruction in stages()[stage]:
        if instruction.startswith("HEALTHCHECK "):
            command: list[str] = json.loads(instruction.split(" CMD ", 1)[1])
            return command
    return None


class Exporter:
    """The sinks' metrics with samples of every kind, growing with each `feed`."""

    def __init__(self) -> None:
        cameras = Cameras({STREAM[:3]})
        self.metrics = Metrics(clock=SystemClock(), version="test", roster=lambda: cameras)
        self.metrics.watch_queue("record", lambda: 3)
        self.metrics.watch_clock("scorer", lambda: 0.002)
        self.metrics.open_frames(2)
        self._fed = 0

    def feed(self) -> None:
        """Some frames went by."""
        self._fed += 1
        self.metrics.observe(camera(10 * self._fed, stream=STREAM))
        self.metrics.observe(scorer_alive())
        self.metrics.arrived(arrival(verdict(self._fed, stream=STREAM, drift_evidence=0.25)))
        self.metrics.booked(
            Counter(
                {
                    Settled(STREAM, Outcome.PASS, None): 6,
                    Settled(STREAM, Outcome.FAIL, None): 1,
                    Settled(STREAM, Outcome.LATE, "deadline_missed"): 1,
                    Settled(STREAM, Outcome.INVALID, "corrupt"): 1,
                    Settled(STREAM, Outcome.UNSCORED, "lost"): 1,
                }
            ),
            contradictions={},
            told_otherwise={},
        )
        self.metrics.dropped("mes", DeliveryReason.QUEUE_FULL)
        self.metrics.failed("mes", DeliveryReason.REFUSED)

    def names(self) -> set[str]:
        """Every name that can be queried."""
        suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}
        return {
            family.name + suffix
            for family in self.metrics.registry.collect()
            for suffix in suffixes.get(family.type, ("",))
        }


class Prometheus:
    """The HTTP interface of a running server."""

    def __init__(self, url: str) -> None:
        self._client = httpx.Client(base_url=url, timeout=10)

    def close(self) -> None:
        self._client.close()

    def get(self, path: str, **parameters: Any) -> Any:
        """The data of an answer, which must be a success."""
        answer = self._client.get(f"/api/v1/{path}", params=parameters)
        assert answer.is_success, f"{parameters}: {answer.text}"
        return answer.json()["data"]

    @property
    def ready(self) -> bool:
        try:
            return self._client.get("/-/ready").is_success
        except httpx.TransportError:
            return False


@contextmanager
def prometheus(directory: Path, exporter_port: int) -> Iterator[Prometheus]:
    """A real server with the repository's configuration, scraping `exporter_port` each second."""
    config = load(CONFIGS / "prometheus" / "prometheus.yml")
    config["global"] = dict.fromkeys(config["global"], "1s")
    config["rule_files"] = [str(RULES)]
    [job] = config["scrape_configs"]
    job["static_configs"] = [{"targets": [f"127.0.0.1:{exporter_port}"]}]
    (directory / "prometheus.yml").write_text(yaml.safe_dump(config), "utf-8")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = directory / "prometheus.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [
                program("prometheus"),
                f"--config.file={directory / 'prometheus.yml'}",
                f"--storage.tsdb.path={directory / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stderr=stream,
        )
    server = Prometheus(f"http://127.0.0.1:{port}")
    try:
        until(lambda: server.ready or process.poll() is not None)
        assert process.poll() is None, log.read_text("utf-8")
        yield server
    finally:
        server.close()
        process.terminate()
        process.wait(10)
