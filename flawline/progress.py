"""Work that takes a while, as the terminal shows it; a file gets a line now and then."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TypeVar

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

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
    """A bar on the terminal; the function that it hands out is called once for each step."""
    with bar(what, total, Screen(stderr=True)) as show:
        done = itertools.count(1)
        yield lambda: show(next(done), "")


@contextmanager
def bar(what: str, total: int | None, screen: Screen) -> Iterator[Callable[[int, str], None]]:
    """A bar; the function that it hands out is told how much is done, and what came of it.

    Where there is no terminal, in a log say, a line every ten seconds, and nothing if it takes
    less.

    Args:
        total: of what is to be done; None: without end.
    """
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[found]}", markup=False),
    )
    with Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as bars:
        task, told_s = bars.add_task(printable(what), total=total, found=""), time.monotonic()

        def show(done: int, found: str) -> None:
            nonlocal told_s
            bars.update(task, completed=done, found=printable(found))
            if not screen.is_terminal and time.monotonic() - told_s > TOLD_EVERY_S:
                told_s = time.monotonic()
                of = "" if total is None else f" of {total}"
                screen.say(f"{what}: {done}{of}  {found}".rstrip())

        yield show


def stepping(items: Iterable[T], step: Callable[[], None]) -> Iterator[T]:
    """`items`; a step is done when the next one is asked for."""
    for item in items:
        yield item
        step()
