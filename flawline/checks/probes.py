"""What a configuration names, to be tried: cameras, PLCs, receivers, the model and the disks.

Nothing is changed anywhere: a PLC's registers are read, a receiver gets no event, a folder keeps
no file.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from contract.clock import Clock
from contract.config import Camera, Config
from contract.config_file import Location
from contract.config_sinks import Modbus, WebhookSettings
from contract.errors import FlawlineError
from flawline.checks import disks
from flawline.checks.note import error, warning
from flawline.checks.sources import cameras_of
from flawline.checks.trying import Probe, Told
from flawline.options import require

LOOK_S = 3.0
LOOK_PICTURES = 25
SLACK_S = 10.0
MODEL_LIMIT_S = 300.0
SLOWER = 0.9


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
    from scorer.references.line import line_tiling
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
    tokens = max(line_tiling(model, line).num_tokens for line in config.lines)
    backbone = model.backbone
    return Told(f"loaded on {backbone.device} in {backbone.dtype}, at most {tokens} tokens a frame")


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
