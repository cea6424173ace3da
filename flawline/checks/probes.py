"""Trying what a configuration names: cameras, PLCs, receivers, the model and the disks.

Nothing is changed anywhere: a PLC's registers are read, a receiver gets no event, a folder keeps
no file. All tries run at once and each has its limit, so that the whole takes no longer than the
slowest, and something that hangs is told like any other failure.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from typing import NamedTuple

from contract.clock import Clock
from contract.config import Camera, Config
from contract.config_file import Location, dotted
from contract.config_sinks import Modbus, WebhookSettings
from contract.documents import Finding, Probed
from contract.errors import FlawlineError
from contract.redact import redact
from flawline.checks import disks
from flawline.checks.note import Note, error, warning
from flawline.checks.sources import cameras_of
from flawline.options import require

LOOK_S = 3.0
LOOK_PICTURES = 25
SLACK_S = 10.0
MODEL_LIMIT_S = 300.0
SLOWER = 0.9


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


def probes_of(config: Config, environ: Mapping[str, str], clock: Clock) -> list[Probe]:
    """All that there is to try, in the order of the file.

    Args:
        environ: where passwords are.
    """
    cameras = [
        Probe(
            here,
            f"camera {camera.name}",
            camera.open_timeout_s + camera.read_timeout_s + LOOK_S + SLACK_S,
            partial(_try_camera, here, camera, environ, clock),
        )
        for here, camera in cameras_of(config)
    ]
    model = Probe(
        ("scorer", "model"),
        f"model {config.scorer.model.name}",
        MODEL_LIMIT_S,
        partial(_try_model, config),
    )
    hooks = [
        Probe(
            ("sinks", "webhooks", number),
            f"webhook {hook.name}",
            hook.timeout_s + SLACK_S,
            partial(_try_webhook, hook),
        )
        for number, hook in enumerate(config.sinks.webhooks)
    ]
    plcs = [
        Probe(
            ("sinks", "modbus", number),
            f"PLC {plc.name}",
            3 * plc.timeout_s + SLACK_S,
            partial(_try_plc, plc),
        )
        for number, plc in enumerate(config.sinks.modbus)
    ]
    folders = [
        Probe(("data_directory",), "memories", SLACK_S, partial(_try_memories, config)),
        Probe(("sinks", "evidence"), "evidence", SLACK_S, partial(_try_evidence, config)),
        Probe(("sinks", "store_url"), "event store", SLACK_S, partial(_try_store, config)),
    ]
    return [*cameras, model, *hooks, *plcs, *folders]


def try_all(
    probes: Sequence[Probe], clock: Clock, *, known: Sequence[Finding] = ()
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
        except BaseException as problem:  # noqa: BLE001 - raised again where it is told
            future.set_exception(problem)
        else:
            future.set_result((told, clock.monotonic_s() - begun_s))

    threading.Thread(target=work, name=probe.name, daemon=True).start()
    return future


def _outcome(
    probe: Probe, future: Future[tuple[Told, float]], left_s: float
) -> tuple[Probed, tuple[Note, ...]]:
    try:
        told, took_s = future.result(left_s)
    except FlawlineError as problem:
        text = redact(str(problem))
    except TimeoutError:
        text = f"gave no answer within {probe.limit_s:g} s"
    else:
        text = redact(told.text)
        ok = all(note.severity != "error" for note in told.notes)
        tried = Probed(
            key=dotted(probe.location), name=probe.name, ok=ok, text=text, seconds=round(took_s, 3)
        )
        return tried, told.notes
    return _failed(probe, text), (error(probe.location, f"{probe.name}: {text}"),)


def _try_camera(here: Location, camera: Camera, environ: Mapping[str, str], clock: Clock) -> Told:
    require("av", extra="ingest")
    from ingest.glance import glance
    from ingest.picture import misfit
    from ingest.source import kind_of

    found = glance(camera, environ, clock, pictures=LOOK_PICTURES, within_s=LOOK_S)
    notes = []
    outside = misfit(camera.region, width_px=found.width_px, height_px=found.height_px)
    if outside is not None:
        notes.append(error((*here, "region"), outside))
    rate = "" if found.fps is None else f", {found.fps:.3g} frames a second"
    if camera.fps and found.fps and kind_of(camera.source).sampled:
        if found.fps < SLOWER * camera.fps:
            slow = f"{camera.fps:g} frames a second are wanted, {found.fps:.3g} come"
            notes.append(warning((*here, "fps"), slow))
    size = f"{found.width_px} x {found.height_px} px"
    return Told(f"{size}{rate}, first picture after {found.opened_s:.1f} s", tuple(notes))


def _try_model(config: Config) -> Told:
    require("torch", extra="scorer")
    from scorer.references.enrolment import line_view
    from scorer.scoring.winclip import load_model

    settings = config.scorer.model
    try:
        model = load_model(settings)
        sound = model.is_sound()
    except (RuntimeError, MemoryError) as problem:
        raise FlawlineError(
            f"it cannot run on {settings.device} ({type(problem).__name__})",
            "free memory there; does a station run?",
        ) from None
    if not sound:
        raise FlawlineError("it gives scores that are not numbers", "its weights are damaged")
    tokens = max(line_view(model, line).num_tokens for line in config.lines)
    return Told(f"loaded on {model.device} in {model.dtype}, at most {tokens} tokens a frame")


def _try_webhook(hook: WebhookSettings) -> Told:
    require("httpx", extra="sinks")
    from sinks.mes.greeting import greet

    return Told(f"the receiver answers OPTIONS with {greet(hook)} (no event was sent)")


def _try_plc(plc: Modbus) -> Told:
    require("pymodbus", extra="sinks")
    from sinks.plc.reading import read_block

    last = plc.base_register + len(read_block(plc)) - 1
    return Told(
        f"{plc.host}:{plc.port} lets registers {plc.base_register} to {last} be read "
        "(nothing was written)"
    )


def _try_memories(config: Config) -> Told:
    return Told(disks.room(config.memory_directory))


def _try_evidence(config: Config) -> Told:
    settings = config.sinks.evidence
    told, notes = disks.room(config.evidence_directory), []
    total = disks.total_bytes(config.evidence_directory)
    if total < settings.max_bytes:
        notes.append(
            warning(
                ("sinks", "evidence", "max_bytes"),
                f"{disks.size(settings.max_bytes)} are allowed, the disk has "
                f"{disks.size(total)} in all: old pictures go when it is full",
            )
        )
    return Told(told, tuple(notes))


def _try_store(config: Config) -> Told:
    require("sqlalchemy", extra="sinks")
    from sinks.store.database import READ, Database
    from sinks.store.store import Store

    database = Database(config.store_url, mode=READ)
    try:
        if database.path is None:
            with database.begin() as connection:
                connection.exec_driver_sql("SELECT 1")
            return Told(f"{database.where} answers")
        if database.path.exists():
            Store.open_existing(config.store_url).database.close()
        return Told(disks.room(database.path.parent))
    finally:
        database.close()
