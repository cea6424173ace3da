"""Keys for encrypted TCP sockets (CURVE, RFC 7748 curve25519 through libzmq)."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path

import zmq.auth

from contract.errors import ConfigError

DOMAIN = "flawline"


@dataclass(frozen=True)
class CurveKeys:
    """The key pairs of a station and the folder of client keys that its servers accept."""

    server_public: bytes
    server_secret: bytes | None
    client_public: bytes
    client_secret: bytes
    accepted_directory: Path


def create_keys(directory: Path) -> None:
    """Make a server and a client key pair in `directory`, readable by the owner alone.

    Raises:
        ConfigError: keys are there already, or the folder cannot be written.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(directory.glob("*.key*")):
            raise ConfigError(f"{directory} already holds keys", "choose an empty folder")
        accepted = directory / "accepted"
        accepted.mkdir(mode=0o700)
        for name in ("server", "client"):
            _, secret = zmq.auth.create_certificates(directory, name)
            Path(secret).chmod(0o600)
        (accepted / "client.key").write_bytes((directory / "client.key").read_bytes())
    except OSError as error:
        raise ConfigError(f"cannot write keys to {directory}", error.strerror or "") from error


def load_keys(directory: Path) -> CurveKeys:
    """The keys in `directory`; a host that only connects needs no `server.key_secret`.

    Raises:
        ConfigError: a file is missing, broken, or a secret is readable by others.
    """
    server_secret = directory / "server.key_secret"
    try:
        public, _ = zmq.auth.load_certificate(directory / "server.key")
        secret = _load_secret(server_secret)[1] if server_secret.exists() else None
        client_public, client_secret = _load_secret(directory / "client.key_secret")
    except ConfigError:
        raise
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"cannot load CURVE keys from {directory}", "make them with `flawline config keys`"
        ) from error
    return CurveKeys(public, secret, client_public, client_secret, directory / "accepted")


def _load_secret(path: Path) -> tuple[bytes, bytes]:
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise ConfigError(f"{path} can be read by others", f"chmod 600 {path}")
    public, secret = zmq.auth.load_certificate(path)
    if secret is None:
        raise ValueError(f"{path} holds no secret key")
    return public, secret
