"""What a release says about itself: one version, one list of checks, a change log, an SBOM."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

from tests.conftest import SLOW
from tools import release

ROOT = Path(__file__).resolve().parents[2]
VERSION = release.project_table()["version"]


def steps(target: str) -> list[str]:
    """The commands of a target of the Makefile."""
    text = (ROOT / "Makefile").read_text("utf-8")
    for name, value in reversed(re.findall(r"^(\w+) := (.*)$", text, re.MULTILINE)):
        text = text.replace(f"$({name})", value)
    found = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", text, re.MULTILINE)
    assert found, target
    return [line.strip() for line in found[1].splitlines()]


def test_commits_are_held_to_what_make_check_holds_them_to() -> None:
    document = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))
    hooks = [hook for repository in document["repos"] for hook in repository["hooks"]]
    assert [hook["entry"] for hook in hooks] == steps("check")
    assert all(hook["always_run"] and not hook["pass_filenames"] for hook in hooks)


def test_what_is_called_slow_is_there() -> None:
    assert [name for name in SLOW if not (ROOT / "tests" / name).exists()] == []


def test_ci_runs_the_targets_that_people_run() -> None:
    lines = (ROOT / ".ci" / "run").read_text("utf-8").splitlines()
    assert [line for line in lines if line.startswith("make ")] == [
        "make check",
        "make dist",
        "make test",
    ]


def test_the_change_log_begins_with_the_version_of_the_tree() -> None:
    newest, _ = release.newest_entry((ROOT / "CHANGELOG.md").read_text("utf-8"))
    assert newest == VERSION


def test_images_carry_the_version_of_the_tree() -> None:
    services = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))["services"].values()
    images = [s["image"] for s in services if s.get("image", "").startswith("flawline-")]
    assert images
    assert {image.partition(":")[2] for image in images} == {VERSION}


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("## [9.9.9] - 2026-01-31", "begins with 9.9.9, pyproject.toml says 1.0.0"),
        ("## [1.0.0] - unreleased", "has no date for 1.0.0"),
        ("## 1.0.0", "not with one like"),
    ],
)
def test_a_change_log_that_does_not_fit_stops_the_release(entry: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        release.require_dated("1.0.0", f"# Changes\n\n{entry}\n\n## [0.1.0] - 2025-01-31\n")


def test_a_change_log_that_fits() -> None:
    release.require_dated("1.0.0", "# Changes\n\n## [1.0.0] - 2026-01-31\n")


def test_the_sbom_keeps_what_a_station_runs() -> None:
    def component(name: str) -> dict[str, Any]:
        return {"bom-ref": f"{name}==1", "name": name}

    document = {
        "metadata": {"component": {"bom-ref": "root"}},
        "components": [component(name) for name in ("My_Torch", "maths", "pytest")],
        "dependencies": [
            {"ref": "root", "dependsOn": ["My_Torch==1", "pytest==1"]},
            {"ref": "My_Torch==1", "dependsOn": ["maths==1", "pytest==1"]},
            {"ref": "pytest==1", "dependsOn": ["maths==1"]},
        ],
    }
    assert release.keep(document, {"my-torch", "maths"}) == {
        "metadata": {"component": {"bom-ref": "root"}},
        "components": [component("My_Torch"), component("maths")],
        "dependencies": [
            {"ref": "root", "dependsOn": ["My_Torch==1"]},
            {"ref": "My_Torch==1", "dependsOn": ["maths==1"]},
        ],
    }


def test_an_extra_is_followed_where_it_is_asked_for() -> None:
    def asked(text: str) -> set[str]:
        return release.installed_for([Requirement(text)])

    assert asked("httpx") >= {"httpx", "httpcore", "h11", "idna"}
    assert not asked("pytest-xdist") & {"psutil", "filelock"}
    assert asked("pytest-xdist[psutil]") >= {"pytest-xdist", "psutil", "execnet"}


def test_the_sbom_of_this_tree() -> None:
    """The real one, which is checked against the schema of CycloneDX as it is made."""
    document = json.loads(release.bill_of_materials())
    found = {item["name"].lower(): item for item in document["components"]}
    assert document["metadata"]["component"]["version"] == VERSION
    assert found.keys() >= {"torch", "open_clip_torch", "pyzmq", "sqlalchemy", "pydantic_core"}
    assert not found.keys() & {"pytest", "mypy", "ruff", "cyclonedx-bom", "flawline"}
    assert all("version" in item for name, item in found.items() if name != "flawline-mini")
    assert len(found["flawline-mini"]["hashes"][0]["content"]) == 64
