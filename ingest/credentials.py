"""The password goes into the URL at the moment of opening, and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, urlsplit, urlunsplit

from contract.config import Camera, Credentials
from contract.errors import SourceConfigError
from contract.redact import remember_secret


def location_of(camera: Camera, environ: Mapping[str, str]) -> str:
    """What to open: the camera's source, with user name and password if it has credentials.

    The password is read anew at each opening and remembered for redaction.

    Raises:
        SourceConfigError: the password is missing, or the source takes none.
    """
    if camera.credentials is None:
        return camera.source
    if "://" not in camera.source:
        raise SourceConfigError(
            f"{camera.source} takes no credentials", "they are for rtsp and http sources"
        )
    password = _password(camera.credentials, environ)
    userinfo = quote(camera.credentials.username, safe=""), quote(password, safe="")
    for secret in (password, userinfo[1]):
        remember_secret(secret)
    parts = urlsplit(camera.source)
    return urlunsplit(parts._replace(netloc=f"{':'.join(userinfo)}@{parts.netloc}"))


def _password(credentials: Credentials, environ: Mapping[str, str]) -> str:
    if credentials.password_file is not None:
        try:
            password = credentials.password_file.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not UTF-8 text"
            raise SourceConfigError(
                f"cannot read password file {credentials.password_file} ({reason})",
                "put the password there, readable by this user",
            ) from None
        where = f"password file {credentials.password_file}"
    else:
        password = environ.get(credentials.password_env or "", "")
        where = f"environment variable {credentials.password_env}"
    if not password:
        raise SourceConfigError(f"{where} is empty or not set", "put the password there")
    return password
