"""Keys: readable by their owner alone, and refused when they are not."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from contract.curve import create_keys, load_keys
from contract.errors import ConfigError


def test_made_keys_load(tmp_path: Path) -> None:
    create_keys(tmp_path / "keys")
    keys = load_keys(tmp_path / "keys")
    assert keys.server_secret is not None
    assert len({keys.server_public, keys.server_secret, keys.client_public}) == 3
    assert keys.accepted_directory == tmp_path / "keys" / "accepted"


def test_secrets_and_folders_are_private(tmp_path: Path) -> None:
    create_keys(tmp_path / "keys")
    secrets = sorted((tmp_path / "keys").glob("*.key_secret"))
    assert [path.name for path in secrets] == ["client.key_secret", "server.key_secret"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in secrets} == {0o600}
    for folder in (tmp_path / "keys", tmp_path / "keys" / "accepted"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert not list((tmp_path / "keys" / "accepted").glob("*secret*"))


def test_keys_are_never_overwritten(tmp_path: Path) -> None:
    create_keys(tmp_path)
    before = (tmp_path / "server.key_secret").read_bytes()
    with pytest.raises(ConfigError, match=r"already holds keys.*empty folder"):
        create_keys(tmp_path)
    assert (tmp_path / "server.key_secret").read_bytes() == before


def test_a_host_that_only_connects_needs_no_server_secret(tmp_path: Path) -> None:
    create_keys(tmp_path)
    (tmp_path / "server.key_secret").unlink()
    assert load_keys(tmp_path).server_secret is None


@pytest.mark.parametrize("name", ["client.key_secret", "server.key_secret"])
def test_a_secret_that_others_can_read_is_refused(tmp_path: Path, name: str) -> None:
    create_keys(tmp_path)
    (tmp_path / name).chmod(0o640)
    with pytest.raises(ConfigError, match=rf"{name} can be read by others: chmod 600"):
        load_keys(tmp_path)


@pytest.mark.parametrize("damage", ["missing", "empty", "text", "binary", "public only"])
def test_broken_keys_are_refused(tmp_path: Path, damage: str) -> None:
    create_keys(tmp_path)
    path = tmp_path / "client.key_secret"
    public = (tmp_path / "client.key").read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        broken = {"empty": b"", "text": b"hello", "binary": b"\xff\xfe", "public only": public}
        path.write_bytes(broken[damage])
    with pytest.raises(ConfigError, match="flawline config keys"):
        load_keys(tmp_path)


def test_no_keys_at_all(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot load CURVE keys from"):
        load_keys(tmp_path / "nowhere")


def test_keys_cannot_be_made_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ConfigError, match="cannot write keys"):
        create_keys(tmp_path / "file")
