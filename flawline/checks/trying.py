"""Running tries: all at once, each with its limit, so that none can hold up the others.

The whole takes no longer than the longest limit, and what hangs is told like any other failure.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import NamedTuple

from contract.clock import Clock
from contract.config_file import Location, dotted
from contract.documents import ConfigFinding, Probed
from contract.errors import FlawlineError
from contract.redact import redact
from flawline.checks.note import Note, error


class Told(NamedTuple):
    """What a try found, and what is odd about it."""

    text: str
    notes: tuple[Note, ...] = ()


class Probe(NamedTuple):
    """One try. `run` raises FlawlineError when it fails; after `limit_s` it is given up."""

    location: Location
    name: str
    limit_s: float
    run: Callable[[], Told]


def try_all(
    probes: Sequence[Probe], clock: Clock, *, known: Sequence[ConfigFinding] = ()
) -> Iterator[tuple[Probed, tuple[Note, ...]]]:
    """Run all probes at once; what each said, in their order.

    Args:
        known: what was found already; what has an error there is not tried.
    """
    started_s = clock.monotonic_s()
    wrong = [each.key for each in known if each.severity == "error"]
    running = [
        (probe, None if _concerned(probe, wrong) else _start(probe, clock)) for probe in probes
    ]
    for probe, future in running:
        if future is None:
            yield _failed(probe, "not tried, because of its error"), ()
            continue
        left_s = max(0.0, started_s + probe.limit_s - clock.monotonic_s())
        yield _outcome(probe, future, left_s)


def _concerned(probe: Probe, keys: Sequence[str]) -> bool:
    """Whether one of `keys` is that of `probe`, or below it."""
    own = dotted(probe.location)
    return any(key == own or key.startswith((f"{own}.", f"{own}[")) for key in keys)


def _failed(probe: Probe, text: str) -> Probed:
    return Probed(key=dotted(probe.location), name=probe.name, ok=False, text=text, seconds=None)


def _start(probe: Probe, clock: Clock) -> Future[tuple[Told, float]]:
    """Run it in a thread that cannot keep this process from ending."""
    future: Future[tuple[Told, float]] = Future()

    def work() -> None:
        begun_s = clock.monotonic_s()
        try:
            told = probe.run()
        except BaseException as problem:  # noqa: BLE001 - told by `_outcome`
            future.set_exception(problem)
        else:
            future.set_result((told, clock.monotonic_s() - begun_s))

    threading.Thread(target=work, name=probe.name, daemon=True).start()
    return future


def _outcome(
    probe: Probe, future: Future[tuple[Told, float]], left_s: float
) -> tuple[Probed, tuple[Note, ...]]:
    try:
        problem = future.exception(left_s)
    except TimeoutError:
        text = f"gave no answer within {probe.limit_s:g} s"
    else:
        if problem is None:
            return _answer(probe, *future.result())
        what = str(problem) if isinstance(problem, FlawlineError) else repr(problem)
        text = redact(what)
    return _failed(probe, text), (error(probe.location, f"{probe.name}: {text}"),)


def _answer(probe: Probe, told: Told, took_s: float) -> tuple[Probed, tuple[Note, ...]]:
    ok = all(note.severity != "error" for note in told.notes)
    tried = Probed(
        key=dotted(probe.location),
        name=probe.name,
        ok=ok,
        text=redact(told.text),
        seconds=round(took_s, 3),
    )
    return tried, told.notes
