"""The wheel, built from the sdist and installed outside the tree: what a stranger gets.

Its dependencies are lent by the environment of the tests, because a second torch takes minutes
to install; nothing else of that environment or of the tree can be reached.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import tomllib
import venv
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
VERSION = PROJECT["project"]["version"]
PACKAGES = [
    pattern.removesuffix("*")
    for pattern in PROJECT["tool"]["setuptools"]["packages"]["find"]["include"]
]

# What cannot be imported by itself: for another environment, or only by Alembic.
NOT_ALONE = ("benchmarks.anomalib_worker", "sinks.store.migrations.env")

IMPORT_ALL = """
import importlib, pathlib, sys
for name in sys.argv[1:]:
    module = importlib.import_module(name)
    assert pathlib.Path(module.__file__).is_relative_to(sys.prefix), module.__file__
for name in ("tests", "tools"):
    assert importlib.util.find_spec(name) is None, name
"""


def ran(*command: str | Path, cwd: Path, timeout_s: float = 300.0) -> str:
    """What `command` prints; it must succeed, without help from this process's environment."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    done = subprocess.run(
        list(map(str, command)),
        capture_output=True,
        text=True,
        cwd=cwd,
        env=environment,
        timeout=timeout_s,
        check=False,
    )
    assert done.returncode == 0, f"{command}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the sdist and the wheel that was built from it, as `make dist` makes them."""
    folder = tmp_path_factory.mktemp("dist")
    ran(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    return folder


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    return dist / f"flawline-{VERSION}-py3-none-any.whl"


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel, and with the dependencies of this one."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-index")
    ran(*pip, "--no-deps", wheel, cwd=folder)
    # Of a folder that a .pth file names, Python does not read the .pth files: an editable
    # Flawline there is not seen.
    lent = [path for path in sys.path if Path(path).name == "site-packages"]
    [own] = folder.glob("lib/python*/site-packages")
    (own / "dependencies.pth").write_text("\n".join(lent) + "\n", "utf-8")
    return folder


def files_of_packages() -> set[str]:
    return {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_the_wheel_holds_the_packages_whole_and_nothing_else(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        names = set(archive.namelist())
    metadata = {name for name in names if name.startswith(f"flawline-{VERSION}.dist-info/")}
    assert names - metadata == files_of_packages()
    assert {name.rpartition("/")[2] for name in metadata} >= {"LICENSE", "METADATA", "RECORD"}


def test_the_sdist_holds_what_building_and_running_a_station_need(dist: Path) -> None:
    with tarfile.open(dist / f"flawline-{VERSION}.tar.gz") as archive:
        names = {member.name.partition("/")[2] for member in archive if member.isfile()}
    assert names >= files_of_packages()
    assert names >= {"LICENSE", "README.md", "CHANGELOG.md", "SECURITY.md", "constraints.txt"}
    assert names >= {p.relative_to(ROOT).as_posix() for p in (ROOT / "configs").rglob("*.*")}
    assert not [name for name in names if name.startswith(("tests/", "tools/"))]


def test_every_module_is_imported_from_the_installation(
    wheel: Path, environment: Path, tmp_path: Path
) -> None:
    with ZipFile(wheel) as archive:
        modules = [
            name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
            for name in archive.namelist()
            if name.endswith(".py") and "/versions/0" not in name
        ]
    modules = [name for name in modules if name not in NOT_ALONE]
    assert set(PACKAGES) <= set(modules)
    ran(environment / "bin" / "python", "-P", "-c", IMPORT_ALL, *modules, cwd=tmp_path)


def test_the_exact_versions_of_ci_satisfy_what_the_wheel_declares(
    wheel: Path, environment: Path, tmp_path: Path
) -> None:
    pip = (sys.executable, "-m", "pip", "--python", environment / "bin" / "python")
    said = ran(*pip, "install", "--dry-run", "--no-index", f"{wheel}[all]", cwd=tmp_path)
    assert "torch" in said
    assert "Would install" not in said


def test_version_tells_what_scores_depend_on(environment: Path, tmp_path: Path) -> None:
    said = ran(environment / "bin" / "flawline", "--version", cwd=tmp_path)
    assert said.splitlines()[0] == f"flawline {VERSION}"
    assert re.search(r"^torch \d", said, re.MULTILINE)
    assert re.search(r"^flawline-mini sha256 [0-9a-f]{64}$", said, re.MULTILINE)


@pytest.mark.timeout(600)
def test_the_demo_runs_from_the_installation(environment: Path, tmp_path: Path) -> None:
    command = (environment / "bin" / "flawline", "demo", "--seconds", "10", "--out", "demo")
    said = ran(*command, cwd=tmp_path, timeout_s=500)
    assert "ledger balanced: yes" in said
    decoded = re.search(r"frames decoded +(\d+) of the clip's 1512", said)
    assert decoded
    assert 250 <= int(decoded[1]) < 500
    assert (tmp_path / "demo" / "report.html").is_file()
    assert str(environment) in (tmp_path / "demo" / "flawline.yaml").read_text("utf-8")
