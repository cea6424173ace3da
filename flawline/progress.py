"""Work that takes a while, as the terminal shows it; a file gets a line now and then."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TypeVar

from rich.progress import MofNCompleteColumn, Progress

from contract.config import ModelSettings
from flawline.screen import Screen, printable

if TYPE_CHECKING:
    from scorer.scoring.winclip import WinClip

TOLD_EVERY_S: Final = 10.0

T = TypeVar("T")


def loaded(settings: ModelSettings) -> WinClip:
    """The model that is asked for, while the terminal says what it waits for.

    Raises:
        ModelError: as `load_model`.
    """
    with working(f"loading {settings.name}"):
        from scorer.scoring.winclip import load_model

        return load_model(settings)


@contextmanager
def working(what: str) -> Iterator[None]:
    """Say on the terminal what takes a while; a file gets nothing."""
    with Screen(stderr=True).working(what):
        yield


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[], None]]:
    """A bar on the terminal; the function that it hands out is called once for each step.

    Elsewhere, in a log say, a line every ten seconds, and nothing if it takes less.
    """
    screen = Screen(stderr=True)
    with Progress(
        *Progress.get_default_columns(),
        MofNCompleteColumn(),
        console=screen,
        transient=True,
        disable=not screen.is_terminal,
    ) as bars:
        task, done, told_s = bars.add_task(printable(what), total=total), 0, time.monotonic()

        def step() -> None:
            nonlocal done, told_s
            done += 1
            bars.advance(task)
            if not screen.is_terminal and time.monotonic() - told_s > TOLD_EVERY_S:
                told_s = time.monotonic()
                screen.say(f"{what}: {done} of {total}")

        yield step


def stepping(items: Iterable[T], step: Callable[[], None]) -> Iterator[T]:
    """`items`; a step is done when the next one is asked for."""
    for item in items:
        yield item
        step()
