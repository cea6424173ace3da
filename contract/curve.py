"""Keys for encrypted TCP sockets (CURVE, RFC 7748 curve25519 through libzmq).

Each role has a pair: it shows it where it listens, and is known by it where it connects. A channel
accepts the keys of the roles that the channel table lets connect to it, and no others: what a
camera's host holds sends frames and reports, but no commands and no verdicts.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

import zmq.auth

from contract.channels import CHANNELS, ROLES
from contract.errors import ConfigError

ACCEPTED: Final = "accepted"
GUESTS: Final = tuple(dict.fromkeys(role for each in CHANNELS.values() for role in each.connects))
"""The roles that connect to a channel."""


class KeyPair(NamedTuple):
    """A public key and its secret."""

    public: bytes
    secret: bytes


def create_keys(directory: Path) -> None:
    """Make a key pair per role in `directory`, readable by the owner alone.

    Keys of versions before 0.2, `server.*` and `client.*`, are left alone: nothing uses them.

    Raises:
        ConfigError: keys are there already, or the folder cannot be written.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(_paths(directory, ROLES)):
            raise ConfigError(f"{directory} already holds keys", "choose an empty folder")
        for role in ROLES:
            _, secret = zmq.auth.create_certificates(directory, role)
            Path(secret).chmod(0o600)
        for role in GUESTS:
            accepted = directory / ACCEPTED / role
            for folder in (accepted.parent, accepted):
                folder.mkdir(mode=0o700, exist_ok=True)
            (accepted / f"{role}.key").write_bytes((directory / f"{role}.key").read_bytes())
    except OSError as error:
        raise ConfigError(f"cannot write keys to {directory}", error.strerror or "") from error


def load_public(directory: Path, role: str) -> bytes:
    """The public key of `role`, by which whoever connects to it knows it.

    Raises:
        ConfigError: it is missing, broken, or of an earlier version.
    """
    return _load(directory, f"{role}.key")[0]


def load_pair(directory: Path, role: str) -> KeyPair:
    """The key pair of `role`, which this host acts as.

    Raises:
        ConfigError: it is missing, broken, of an earlier version, or can be read by others.
    """
    name = f"{role}.key_secret"
    path = directory / name
    if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise ConfigError(f"{path} can be read by others", f"chmod 600 {path}")
    if not path.exists() and load_public(directory, role):
        raise ConfigError(
            f"{directory} has no {name}", f"copy it to the hosts that act as {role}, and no other"
        )
    public, secret = _load(directory, name)
    if secret is None:
        raise _unloadable(directory, name)
    return KeyPair(public, secret)


def load_accepted(directory: Path, roles: Iterable[str]) -> frozenset[bytes]:
    """Public keys (Z85) of all who may connect as one of `roles`.

    Raises:
        ConfigError: a folder is missing.
    """
    found: set[bytes] = set()
    for role in roles:
        folder = directory / ACCEPTED / role
        try:
            found.update(zmq.auth.load_certificates(folder))
        except (OSError, ValueError) as error:
            _refuse_old(directory)
            raise ConfigError(
                f"cannot load the keys in {folder}", "copy the folder from where keys were made"
            ) from error
    return frozenset(found)


def check_keys(directory: Path) -> None:
    """Look at what there is, without knowing which roles this host acts as.

    Raises:
        ConfigError: a public key is missing, or a secret one is not as it should be.
    """
    for role in ROLES:
        load_public(directory, role)
        if (directory / f"{role}.key_secret").exists():
            load_pair(directory, role)


def _load(directory: Path, name: str) -> tuple[bytes, bytes | None]:
    try:
        return zmq.auth.load_certificate(directory / name)
    except (OSError, ValueError) as error:
        _refuse_old(directory)
        raise _unloadable(directory, name) from error


def _unloadable(directory: Path, name: str) -> ConfigError:
    return ConfigError(
        f"cannot load the CURVE key {directory / name}",
        f"make keys with `flawline config keys {directory}`, or copy it from the host that has it",
    )


def _refuse_old(directory: Path) -> None:
    """Refuse keys of a version in which one client key opened every channel."""
    if any(_paths(directory, ("server", "client"))) and not any(_paths(directory, ROLES)):
        raise ConfigError(
            f"{directory} holds keys of an earlier version, one of which opens every channel",
            f"flawline config keys {directory} makes one per role; copy them to all hosts, restart",
        )


def _paths(directory: Path, names: Iterable[str]) -> list[Path]:
    return [path for name in names for path in directory.glob(f"{name}.key*")]
