"""The Dockerfile: its stages, what goes in, and health checks that are run for real."""

from __future__ import annotations

import ast
import fnmatch
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml

from contract.codec import decode, encode
from contract.config_file import load_config
from contract.config_sinks import MetricsSettings
from contract.messages import ReplyMessage, RequestMessage
from contract.sockets import Sockets
from tests.deploy.kit import ROOT, Exporter, health_check, load, run, stages

TARGETS = ("ingest", "scorer", "sinks")
STATION = "/etc/flawline/station.yaml"
OURS = {"contract", "flawline", "ingest", "scorer", "sinks"}
WITH_COMMAND_LINE = ("scorer", "sinks")


@pytest.mark.parametrize("target", TARGETS)
def test_target(target: str) -> None:
    instructions = stages()[target]
    assert "USER 10001:10001" in instructions
    assert f'ENTRYPOINT ["python", "-m", "{target}"]' in instructions
    assert f'CMD ["{STATION}"]' in instructions
    assert f"COPY --from=build-{target} /opt/flawline /opt/flawline" in instructions


@pytest.mark.parametrize("target", TARGETS)
def test_installs_its_extra_alone_with_constraints(target: str) -> None:
    installs = [step for step in stages()[f"build-{target}"] if " install " in step]
    assert installs[-1].endswith(f'".[{target}]"')
    assert all("--constraint constraints.txt" in step for step in installs)
    assert target in load(ROOT / "pyproject.toml")["project"]["optional-dependencies"]


def imports(path: Path, known: Mapping[str, list[str]]) -> Iterator[str]:
    """The distributions, found in `known`, that a module needs to be imported."""
    for node in ast.parse(path.read_text("utf-8")).body:
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for name in {name.partition(".")[0] for name in names} - OURS - sys.stdlib_module_names:
            yield normal(known[name][0])


def normal(name: str) -> str:
    """A distribution's name as PyPI compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def command_line() -> set[Path]:
    """The modules that any `flawline` command imports before it does anything."""
    ahead, seen = ["flawline.__main__"], set[Path]()
    while ahead:
        place = ROOT.joinpath(*ahead.pop().split("."))
        path = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
        if path in seen or not path.is_file():
            continue
        seen.add(path)
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("flawline"):
                ahead += [f"{node.module}", *(f"{node.module}.{a.name}" for a in node.names)]
    return seen


@pytest.mark.parametrize("target", TARGETS)
def test_its_extra_brings_what_it_imports(target: str) -> None:
    project = load(ROOT / "pyproject.toml")["project"]
    requirements = project["dependencies"] + project["optional-dependencies"][target]
    declared = {normal(re.split(r"[<>=~! \[]", item)[0]) for item in requirements}
    modules = sorted(command_line()) if target in WITH_COMMAND_LINE else []
    for folder in ("contract", target):
        modules += sorted((ROOT / folder).rglob("*.py"))
    known = packages_distributions()
    missing = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in modules
        for name in imports(path, known)
        if name not in declared
    }
    assert not missing, "the image would lack it: declare it in pyproject.toml"


def test_no_file_of_a_working_directory_runs_in_the_place_of_ours() -> None:
    """Whatever is started in an image, with `-m` or `-c`, by us or by others."""
    [environment] = [step for step in stages()["runtime"] if step.startswith("ENV ")]
    assert "PYTHONSAFEPATH=1" in environment


def test_every_base_is_exact_or_a_stage_above() -> None:
    seen: list[str] = []
    for name, instructions in stages().items():
        base = instructions[0].split()[1]
        assert base in seen or re.search(r":\d+\.\d+\.\d+-", base), base
        seen.append(name)


def test_the_build_gets_what_it_needs_and_no_more() -> None:
    rules = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    allowed = {rule[1:] for rule in rules if rule.startswith("!")}
    project = load(ROOT / "pyproject.toml")
    packages = project["tool"]["setuptools"]["packages"]["find"]["include"]
    needed = {"constraints.txt", "pyproject.toml", project["project"]["readme"]}
    needed |= set(project["project"]["license-files"])
    needed |= {pattern.removesuffix("*") for pattern in packages}
    assert "*" in rules
    assert allowed == needed
    assert all((ROOT / name).exists() for name in needed), needed
    assert not any(fnmatch.fnmatch("tests", name) for name in allowed)


def test_constraints_name_no_local_build_of_torch() -> None:
    text = (ROOT / "constraints.txt").read_text("utf-8")
    assert re.search(r"^torch==[\d.]+$", text, re.MULTILINE), "a +cpu build is not on PyPI"
    assert not re.search(r"^--", text, re.MULTILINE)


def test_sinks_are_healthy_while_metrics_answer() -> None:
    command = health_check("sinks")
    assert command is not None
    exporter = Exporter()
    with exporter.metrics.serve(MetricsSettings(host="127.0.0.1", port=0)) as ours:
        here = [part.replace(":9464/", f":{ours.port}/") for part in command]
        run(sys.executable, *here[1:])
    done = subprocess.run([sys.executable, *here[1:]], capture_output=True, timeout=60)
    assert done.returncode != 0


def test_scorer_is_healthy_while_control_answers(short_directory: Path) -> None:
    command = health_check("scorer")
    assert command is not None
    path = short_directory / "station.yaml"
    camera = {"name": "top", "source": "x.mp4"}
    document = {"data_directory": "data", "lines": [{"name": "belt", "cameras": [camera]}]}
    path.write_text(yaml.safe_dump(document), "utf-8")
    here = [part.replace(STATION, str(path)) for part in command]
    with Sockets(load_config(path)) as sockets:
        control = sockets.bind("control")
        process = subprocess.Popen([sys.executable, *here[1:]], cwd=ROOT)
        try:
            assert control.poll(20_000), "the health check asked nothing"
            assert decode(control.recv()) == RequestMessage(command="status")
            control.send(encode(ReplyMessage(ok=True)))
            assert process.wait(20) == 0
        finally:
            process.kill()
            process.wait()


def test_instructions_in_exec_form_are_json() -> None:
    for instructions in stages().values():
        for step in instructions:
            keyword, _, rest = step.partition(" ")
            if keyword in ("CMD", "ENTRYPOINT"):
                assert isinstance(json.loads(rest), list)
