"""Where a running station is seen: logs as they come, and below them, on a terminal, its board.

Processes write their logs themselves. On a terminal they would write across the board, so there
they write into a pipe, and what comes out is printed above it.
"""

from __future__ import annotations

import os
import sys
import threading
from types import TracebackType
from typing import Self

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

JOIN_S = 2.0


class Display:
    """Use as a context manager.

    Attributes:
        stderr: where processes log; None: where this process does.
    """

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self.is_live = sys.stderr.isatty() and not self._console.is_dumb_terminal
        self.stderr: int | None = None
        self._live: Live | None = None

    def __enter__(self) -> Self:
        if self.is_live:
            self._live = Live(console=self._console, auto_refresh=False, redirect_stdout=False)
            reading, self.stderr = os.pipe()
            self._pump = threading.Thread(target=self._print, args=[reading], daemon=True)
            self._pump.start()
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.stderr is not None and self._live is not None:
            os.close(self.stderr)
            self._pump.join(JOIN_S)
            self._live.stop()

    def say(self, text: str) -> None:
        """Print a line."""
        self._console.print(Text(text), soft_wrap=True)

    def show(self, board: RenderableType) -> None:
        """Put `board` in the place of the last one, on a terminal."""
        if self._live is not None:
            self._live.update(board, refresh=True)

    def _print(self, reading: int) -> None:
        with os.fdopen(reading, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                self.say(line.rstrip("\n"))
