"""Credentials never leave a process: not in a log line, an error, a metric or an answer."""

from __future__ import annotations

import logging
import re

_USERINFO = re.compile(r"(?P<scheme>[a-zA-Z][a-zA-Z0-9+.-]*://)[^/\s@'\"]*(?:@[^/\s@'\"]*)*@")
_QUERY = re.compile(r"(?i)(?P<name>\b(?:user|pass|password|passwd|pwd|token|secret)=)[^&;\s'\"]+")
_secrets: set[str] = set()


def remember_secret(secret: str) -> None:
    """Have `secret` removed wherever text is redacted in this process."""
    if len(secret) >= 3:
        _secrets.add(secret)


def redact(text: str) -> str:
    """`text` without user names and passwords in URLs and without remembered secrets.

    >>> redact("open rtsp://admin:hunter2@10.0.0.7/live failed")
    'open rtsp://***@10.0.0.7/live failed'
    """
    text = _USERINFO.sub(r"\g<scheme>***@", text)
    text = _QUERY.sub(r"\g<name>***", text)
    for secret in sorted(_secrets, key=len, reverse=True):
        text = text.replace(secret, "***")
    return text


def redact_value(value: str) -> str:
    """A single value without credentials, even malformed ones that `redact` cannot tell in text.

    >>> redact_value("rtsp://admin:hunt er/2@10.0.0.7/live")
    'rtsp://***@10.0.0.7/live'
    """
    return redact(re.sub(r"://.*@", "://***@", value, flags=re.DOTALL))


class RedactingFormatter(logging.Formatter):
    """A log formatter whose whole output, traceback included, is redacted."""

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))
