"""A period of wall-clock time, as people type it and read it."""

from __future__ import annotations

import re
from datetime import datetime
from typing import NamedTuple, Self

from contract.clock import NS_PER_S, local_text
from contract.errors import ConfigError

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_SPAN = re.compile(r"(\d{1,6})([smhdw])")


class Period(NamedTuple):
    """From `since_ns`, included, until `until_ns`, not included; UTC nanoseconds."""

    since_ns: int
    until_ns: int

    @classmethod
    def parse(cls, since: str, until: str | None, *, now_ns: int) -> Self:
        """The period from `since` to `until`, or to now.

        Each is a time (ISO 8601, local without an offset) or how long ago it was (30m, 8h, 2d).

        Raises:
            ConfigError: neither of these, or an end before its start.
        """
        period = cls(
            _moment("--since", since, now_ns),
            now_ns if until is None else _moment("--until", until, now_ns),
        )
        if period.until_ns <= period.since_ns:
            raise ConfigError(f"the period {period} is empty", "--since must be before --until")
        return period

    def __str__(self) -> str:
        return f"{local_text(self.since_ns)} to {local_text(self.until_ns)}"


def _moment(option: str, text: str, now_ns: int) -> int:
    span = _SPAN.fullmatch(text)
    if span is not None:
        return max(0, now_ns - int(span[1]) * _SECONDS[span[2]] * NS_PER_S)
    try:
        moment = datetime.fromisoformat(text).astimezone()
        return max(0, round(moment.timestamp() * 1_000_000) * 1000)
    except (ValueError, OverflowError, OSError):
        raise ConfigError(
            f"{option} {text}", "a time such as 2026-09-21T06:00, or how long ago: 30m, 8h, 2d"
        ) from None
