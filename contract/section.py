"""What all parts of the configuration are made of: paths, addresses, bounds, strictness."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo

SECRET_IN_QUERY = re.compile(r"(?i)(?<=[?&;/])(pass|password|passwd|pwd|token|secret|key)=")


def _resolve(path: Path, info: ValidationInfo) -> Path:
    """Relative paths count from the folder of the configuration file, not from the caller's."""
    base = (info.context or {}).get("base")
    path = path.expanduser()
    return path if base is None or path.is_absolute() else Path(base) / path


def _resolve_source(source: str, info: ValidationInfo) -> str:
    if not source.isprintable():
        raise ValueError("must not hold control characters")
    if "://" not in source:
        return str(_resolve(Path(source), info))
    parts = urlsplit(source)
    if parts.hostname:
        _host(parts.hostname)
        _port_of(source)
    return source


def _names_a_user(url: str) -> bool:
    """Whether `url` holds credentials; a `/`, `?` or `#` in them moves the `@` behind the host."""
    parts = urlsplit(url)
    try:
        _ = parts.port
    except ValueError:
        return "@" in url
    return "@" in parts.netloc


def _no_credentials(url: str) -> str:
    if "://" in url and (_names_a_user(url) or SECRET_IN_QUERY.search(url)):
        raise ValueError(
            "credentials do not belong in the configuration file: "
            "use credentials.username and credentials.password_env or password_file"
        )
    return url


def _host(host: str) -> str:
    """What a resolver may be asked: anything else would crash it, again at each try."""
    try:
        encoded = host.encode("idna")
    except UnicodeError:
        encoded = b""
    if not encoded or re.search(rb"[^!-~]|[/@?#]", encoded):
        raise ValueError("must be a host name or an address")
    return host


def _http_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be an http:// or https:// URL with a host")
    _host(parts.hostname)
    _port_of(url)
    return url


def _port_of(url: str) -> None:
    """Refuse a port that is none. A password may look like one, and is refused as such."""
    try:
        _ = urlsplit(url).port
    except ValueError:
        if "@" not in url:
            raise ValueError("the port must be a number from 0 to 65535") from None


def _endpoint(url: str, info: ValidationInfo) -> str:
    if url.startswith("ipc://") and len(url) > len("ipc://"):
        return f"ipc://{_resolve(Path(url.removeprefix('ipc://')), info)}"
    if not re.fullmatch(r"tcp://[^:/*\s]+:[0-9]{1,5}", url):
        raise ValueError("must be tcp://HOST:PORT or ipc://PATH, as others connect to it")
    _host(url.removeprefix("tcp://").rsplit(":", 1)[0])
    if not 1 <= int(url.rsplit(":", 1)[1]) <= 65535:
        raise ValueError("the port must be from 1 to 65535")
    return url


ResolvedPath = Annotated[Path, AfterValidator(_resolve)]
SourceUrl = Annotated[
    str, Field(min_length=1), AfterValidator(_no_credentials), AfterValidator(_resolve_source)
]
HttpUrl = Annotated[str, AfterValidator(_http_url), AfterValidator(_no_credentials)]
Host = Annotated[str, Field(min_length=1), AfterValidator(_host)]
Endpoint = Annotated[str, AfterValidator(_endpoint)]
Port = Annotated[int, Field(ge=0, le=65535)]
Score = Annotated[float, Field(ge=0, le=1)]


class Section(BaseModel):
    """A part of the configuration: immutable, and a misspelt key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")
