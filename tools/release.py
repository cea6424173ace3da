"""Make a release complete: the change log says when, and what is inside stands in an SBOM.

`make release` runs this after building. The SBOM (CycloneDX) lists what a station runs: the
exact versions of this environment that `flawline[all]` brings, without what only developers
need, and the weights in the package.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import Any, Final

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT: Final = Path(__file__).resolve().parents[1]
WEIGHTS: Final = ROOT / "scorer" / "assets" / "flawline-mini.safetensors"
SPECIFICATION: Final = SchemaVersion.V1_6


def project_table(root: Path = ROOT) -> dict[str, Any]:
    """The `[project]` table of pyproject.toml."""
    table: dict[str, Any] = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    return table


def newest_entry(change_log: str) -> tuple[str, str]:
    """Version and date, or `unreleased`, of the first entry of a change log.

    Raises:
        ValueError: there is none in the form of keepachangelog.com.
    """
    first = next((line for line in change_log.splitlines() if line.startswith("## ")), "")
    found = re.fullmatch(r"## \[([^\]]+)\] - (unreleased|\d{4}-\d\d-\d\d)", first)
    if found is None:
        raise ValueError(
            f"the change log begins with {first!r}, not with one like `## [1.2.3] - 2026-01-31`"
        )
    return found[1], found[2]


def require_dated(version: str, change_log: str) -> None:
    """See that `version` may be released.

    Raises:
        ValueError: the change log begins with another version, or has no date for it.
    """
    newest, date = newest_entry(change_log)
    if newest != version:
        raise ValueError(f"CHANGELOG.md begins with {newest}, pyproject.toml says {version}")
    if date == "unreleased":
        raise ValueError(f"CHANGELOG.md has no date for {version}: write it in place of unreleased")


def runtime_requirements(project: Mapping[str, Any]) -> list[Requirement]:
    """What `flawline[all]` asks for by itself."""
    extras = project["optional-dependencies"]
    [everything] = (Requirement(item) for item in extras["all"])
    asked = [*project["dependencies"], *(item for e in everything.extras for item in extras[e])]
    return [Requirement(item) for item in asked]


def installed_for(asked: Iterable[Requirement]) -> set[str]:
    """Canonical names of all that `asked` brings here, by way of others too.

    Raises:
        ValueError: something of it is not installed.
    """
    ahead, seen = list(asked), set[tuple[str, str]]()
    while ahead:
        requirement = ahead.pop()
        name = canonicalize_name(requirement.name)
        for extra in {"", *requirement.extras} - {known for one, known in seen if one == name}:
            seen.add((name, extra))
            try:
                wanted = map(Requirement, requires(name) or ())
            except PackageNotFoundError:
                raise ValueError(f"{name} is not installed: make install") from None
            ahead += [r for r in wanted if r.marker is None or r.marker.evaluate({"extra": extra})]
    return {name for name, _ in seen}


def keep(document: dict[str, Any], names: set[str]) -> dict[str, Any]:
    """The SBOM `document` with the components called `names` alone.

    Without their links: name, version and purl say what a component is, and checking the syntax
    of some thousand addresses takes minutes.
    """
    components = [
        {key: value for key, value in item.items() if key != "externalReferences"}
        for item in document["components"]
        if canonicalize_name(item["name"]) in names
    ]
    kept = {item["bom-ref"] for item in components}
    kept.add(document["metadata"]["component"]["bom-ref"])
    dependencies = [
        {"ref": item["ref"], "dependsOn": [r for r in item.get("dependsOn", ()) if r in kept]}
        for item in document["dependencies"]
        if item["ref"] in kept
    ]
    return document | {"components": components, "dependencies": dependencies}


def weights_component() -> dict[str, Any]:
    """The embedded model as a component."""
    sha256 = hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()
    return {
        "bom-ref": WEIGHTS.stem,
        "type": "machine-learning-model",
        "name": WEIGHTS.stem,
        "hashes": [{"alg": "SHA-256", "content": sha256}],
    }


def bill_of_materials() -> str:
    """The SBOM as JSON.

    Raises:
        ValueError: it breaks the CycloneDX schema.
        subprocess.CalledProcessError: the environment cannot be read.
    """
    command = [sys.executable, "-m", "cyclonedx_py", "environment", "--output-reproducible"]
    command += ["--sv", SPECIFICATION.to_version(), "--no-validate", sys.executable]
    command += ["--pyproject", str(ROOT / "pyproject.toml")]
    ran = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    document = keep(json.loads(ran.stdout), installed_for(runtime_requirements(project_table())))
    document["components"].append(weights_component())
    text = json.dumps(document, indent=1, sort_keys=True) + "\n"
    if (error := JsonStrictValidator(SPECIFICATION).validate_str(text)) is not None:
        raise ValueError(f"the SBOM breaks the CycloneDX schema: {error}")
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dist", type=Path, help="folder with the wheel and the sdist")
    dist = parser.parse_args().dist
    version = project_table()["version"]
    built = [dist / f"flawline-{version}-py3-none-any.whl", dist / f"flawline-{version}.tar.gz"]
    try:
        require_dated(version, (ROOT / "CHANGELOG.md").read_text("utf-8"))
        for path in built:
            if not path.is_file():
                raise ValueError(f"{path} is not there: make dist")
        sbom = dist / f"flawline-{version}.cdx.json"
        sbom.write_text(bill_of_materials(), "utf-8")
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
    sums = [f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.name}\n" for p in [*built, sbom]]
    (dist / "SHA256SUMS").write_text("".join(sums), "utf-8")
    print("".join(sums), end="")
    print(f"now: git tag --annotate v{version} --message 'Flawline {version}'")


if __name__ == "__main__":
    main()
