"""Keys: a pair per role, readable by their owner alone, and refused when they are not."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
import zmq.auth

from contract.channels import ROLES
from contract.curve import (
    GUESTS,
    check_keys,
    create_keys,
    load_accepted,
    load_pair,
    load_public,
)
from contract.errors import ConfigError


def test_made_keys_load(tmp_path: Path) -> None:
    create_keys(tmp_path / "keys")
    check_keys(tmp_path / "keys")
    pairs = [load_pair(tmp_path / "keys", role) for role in ROLES]
    assert len({key for pair in pairs for key in pair}) == 2 * len(ROLES)
    assert [load_public(tmp_path / "keys", role) for role in ROLES] == [p.public for p in pairs]
    for role in GUESTS:
        assert load_accepted(tmp_path / "keys", [role]) == {load_public(tmp_path / "keys", role)}
    assert len(load_accepted(tmp_path / "keys", GUESTS)) == len(GUESTS)


def test_secrets_and_folders_are_private(tmp_path: Path) -> None:
    create_keys(tmp_path / "keys")
    secrets = list((tmp_path / "keys").rglob("*secret*"))
    assert {path.name for path in secrets} == {f"{role}.key_secret" for role in ROLES}
    assert {stat.S_IMODE(path.stat().st_mode) for path in secrets} == {0o600}
    folders = [path for path in (tmp_path / "keys").rglob("*") if path.is_dir()]
    for folder in (tmp_path / "keys", *folders):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_keys_are_never_overwritten(tmp_path: Path) -> None:
    create_keys(tmp_path)
    before = (tmp_path / "sinks.key_secret").read_bytes()
    with pytest.raises(ConfigError, match=r"already holds keys.*empty folder"):
        create_keys(tmp_path)
    assert (tmp_path / "sinks.key_secret").read_bytes() == before


def test_a_host_needs_the_secrets_of_its_own_roles_alone(tmp_path: Path) -> None:
    create_keys(tmp_path)
    for role in set(ROLES) - {"ingest"}:
        (tmp_path / f"{role}.key_secret").unlink()
    check_keys(tmp_path)
    assert load_pair(tmp_path, "ingest").public == load_public(tmp_path, "ingest")
    with pytest.raises(ConfigError, match=r"has no sinks\.key_secret: .* act as sinks"):
        load_pair(tmp_path, "sinks")


@pytest.mark.parametrize("role", ROLES)
def test_a_secret_that_others_can_read_is_refused(tmp_path: Path, role: str) -> None:
    create_keys(tmp_path)
    (tmp_path / f"{role}.key_secret").chmod(0o640)
    for load in (lambda: check_keys(tmp_path), lambda: load_pair(tmp_path, role)):
        with pytest.raises(ConfigError, match=rf"{role}.key_secret can be read by others: chmod"):
            load()


@pytest.mark.parametrize("damage", ["empty", "text", "binary", "public only"])
def test_broken_keys_are_refused(tmp_path: Path, damage: str) -> None:
    create_keys(tmp_path)
    public = (tmp_path / "ingest.key").read_bytes()
    broken = {"empty": b"", "text": b"hello", "binary": b"\xff\xfe", "public only": public}
    (tmp_path / "ingest.key_secret").write_bytes(broken[damage])
    with pytest.raises(ConfigError, match="flawline config keys"):
        check_keys(tmp_path)


def test_no_keys_at_all(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot load the CURVE key"):
        check_keys(tmp_path / "nowhere")


def test_nobody_is_accepted_for_want_of_a_folder(tmp_path: Path) -> None:
    create_keys(tmp_path)
    (tmp_path / "accepted" / "flawline" / "flawline.key").unlink()
    assert load_accepted(tmp_path, ["flawline"]) == frozenset()
    (tmp_path / "accepted" / "flawline").rmdir()
    with pytest.raises(ConfigError, match="copy the folder from where keys were made"):
        load_accepted(tmp_path, ["flawline"])


def test_another_host_may_have_a_key_of_its_own(tmp_path: Path) -> None:
    create_keys(tmp_path / "keys")
    zmq.auth.create_certificates(tmp_path, "hall-2")
    (tmp_path / "hall-2.key").rename(tmp_path / "keys" / "accepted" / "ingest" / "hall-2.key")
    assert len(load_accepted(tmp_path / "keys", ["ingest"])) == 2


def test_keys_of_an_earlier_version_are_refused_with_what_mends_them(tmp_path: Path) -> None:
    """One client key opened every channel."""
    for name in ("server", "client"):
        zmq.auth.create_certificates(tmp_path, name)
    (tmp_path / "accepted").mkdir()
    (tmp_path / "accepted" / "client.key").write_bytes((tmp_path / "client.key").read_bytes())
    for load in (
        lambda: check_keys(tmp_path),
        lambda: load_pair(tmp_path, "sinks"),
        lambda: load_accepted(tmp_path, ["ingest"]),
    ):
        with pytest.raises(ConfigError, match=rf"earlier version.*flawline config keys {tmp_path}"):
            load()
    create_keys(tmp_path)
    check_keys(tmp_path)
    old = zmq.auth.load_certificate(tmp_path / "client.key")[0]
    assert old not in load_accepted(tmp_path, GUESTS)


def test_keys_cannot_be_made_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ConfigError, match="cannot write keys"):
        create_keys(tmp_path / "file")
