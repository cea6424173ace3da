"""What a process tells its supervisor: lines in a pipe, written by its main loop alone.

A process that hangs tells nothing, so silence means what it says. Neither end ever waits for the
other: a line that does not fit into the pipe is left out, the next one says the same and more.
"""

from __future__ import annotations

import os
import select
from collections.abc import Mapping
from types import MappingProxyType

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from contract.messages import Count

READ_BYTES = 1 << 16
MAX_ERROR_CHARACTERS = 600
GUARDED = "guarded"
"""How the guard of a PLC calls one that it sees."""
NOTHING: Mapping[str, str] = MappingProxyType({})


class Beat(BaseModel):
    """How far a process is.

    Attributes:
        done: work done so far; while it grows, there is progress.
        left: items in hand, which a stop waits for.
        states: what the process deals with (cameras, PLCs) and how that is, in a word.
        error: the last word of a process that cannot go on.
        finished: there is nothing left to do, ever; a process that ends without having said so was
            stopped, or fell over.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    done: Count = 0
    left: Count = 0
    states: Mapping[str, str] = Field(default_factory=dict)
    error: str | None = None
    finished: bool = False


class BeatWriter:
    """The process's end; None: nobody listens."""

    def __init__(self, fd: int | None) -> None:
        self._fd = fd
        if fd is not None:
            os.set_blocking(fd, False)
            os.set_inheritable(fd, False)

    def write(self, beat: Beat) -> None:
        """Tell `beat`, if there is room for it and somebody who listens."""
        if self._fd is None:
            return
        line = beat.model_dump_json(exclude_defaults=True).encode() + b"\n"
        if len(line) > select.PIPE_BUF:  # A longer one could be cut in two.
            line = beat.model_copy(update={"states": {}}).model_dump_json().encode() + b"\n"
        try:
            os.write(self._fd, line)
        except OSError:
            return


class BeatReader:
    """The supervisor's end. It owns the descriptor."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._rest = b""
        os.set_blocking(fd, False)

    def read(self) -> Beat | None:
        """The newest beat since the last call; a last word is never passed over."""
        newest = None
        while data := self._available():
            *lines, self._rest = (self._rest + data).split(b"\n")
            for beat in map(_parsed, lines):
                if beat is not None and (newest is None or newest.error is None):
                    newest = beat
        return newest

    def close(self) -> None:
        os.close(self._fd)

    def _available(self) -> bytes:
        try:
            return os.read(self._fd, READ_BYTES)
        except BlockingIOError:
            return b""


def _parsed(line: bytes) -> Beat | None:
    """A line that is none says nothing."""
    try:
        return Beat.model_validate_json(line)
    except ValidationError:
        return None
