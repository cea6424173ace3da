"""The systemd unit, as systemd itself reads it."""

from __future__ import annotations

import configparser
import shutil
from pathlib import Path

import pytest
import typer

from contract.errors import EXIT_PERMANENT
from flawline.app import app
from tests.deploy.kit import CONFIGS, run

UNITS = CONFIGS / "systemd"
UNIT = UNITS / "flawline.service"
PROGRAM = "/opt/flawline/bin/flawline"


@pytest.fixture(scope="module")
def service() -> configparser.SectionProxy:
    unit = configparser.ConfigParser(interpolation=None, delimiters="=")
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read(UNIT, "utf-8")
    return unit["Service"]


def systemd(name: str) -> str:
    found = shutil.which(name)
    assert found, f"{name} is not installed: apt-get install systemd (Debian)"
    return found


def test_systemd_finds_no_fault(tmp_path: Path) -> None:
    """With a program that is there: systemd looks whether it is."""
    here = tmp_path / UNIT.name
    text = UNIT.read_text("utf-8")
    here.write_text(text.replace(PROGRAM, "/bin/true"), "utf-8")
    assert PROGRAM in text
    assert run(systemd("systemd-analyze"), "verify", "--man=no", here) == ""


@pytest.mark.parametrize("step", ["ExecStart", "ExecReload"])
def test_its_commands_are_understood(step: str, service: configparser.SectionProxy) -> None:
    program, name, *arguments = service[step].split()
    assert program == PROGRAM
    command = typer.main.get_command(app).commands[name]  # type: ignore[attr-defined]
    context = command.make_context(name, arguments)
    assert context.params["config"] == Path("/etc/flawline/flawline.yaml")


def test_it_waits_for_readiness_and_watches(service: configparser.SectionProxy) -> None:
    assert service["Type"] == "notify"
    assert service["NotifyAccess"] == "main"
    assert service["WatchdogSec"]
    assert service["KillMode"] == "mixed", "the supervisor stops its processes in order"


def test_what_a_person_must_mend_is_not_started_again(service: configparser.SectionProxy) -> None:
    assert service["Restart"] == "on-failure"
    assert service["RestartPreventExitStatus"] == str(EXIT_PERMANENT)


def test_it_has_its_own_user_and_folders_and_little_else(
    service: configparser.SectionProxy,
) -> None:
    [user] = [
        line.split()[1]
        for line in (UNITS / "flawline.sysusers").read_text("utf-8").splitlines()
        if line.startswith("u ")
    ]
    assert service["User"] == service["Group"] == user
    assert service["ProtectSystem"] == "strict"
    assert service["NoNewPrivileges"] == "yes"
    assert service["CapabilityBoundingSet"] == ""
    assert service["WorkingDirectory"] == f"/var/lib/{service['StateDirectory']}"


def test_no_password_is_in_it(service: configparser.SectionProxy) -> None:
    assert service["EnvironmentFile"].startswith("-/etc/flawline/")
    assert "password" not in service["Environment"].lower()
